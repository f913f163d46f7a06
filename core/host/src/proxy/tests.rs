//! Proxies as bytes: what is said to them, and what comes of whatever they answer, in pieces of any size.

use super::*;

const PLAIN: &str = "socks5://p:1";
const USER: &str = "socks5://user:pass@p:1";

fn tunnel(url: &str, host: &str) -> Tunnel {
    Proxy::parse(url).unwrap().tunnel(host, 9092).unwrap()
}

/// Writes all that is to be written.
fn sent(tunnel: &mut Tunnel) -> Vec<u8> {
    let mut written = Vec::new();
    // One byte at a time, since a socket may take no more.
    while let Some(byte) = tunnel.unsent().first() {
        written.push(*byte);
        tunnel.handle_sent(1);
    }
    written
}

/// Reads an answer in pieces, no more than is wanted: what is left of it when no more is.
fn answer<'a>(tunnel: &mut Tunnel, mut bytes: &'a [u8], piece: usize) -> Result<&'a [u8], ProxyFailure> {
    while !bytes.is_empty() && tunnel.wanted() > 0 {
        let (now, rest) = bytes.split_at(piece.min(tunnel.wanted()).min(bytes.len()));
        tunnel.handle_received(now)?;
        bytes = rest;
    }
    Ok(bytes)
}

#[test]
fn socks5_with_and_without_a_user() {
    let replies: [&[u8]; 3] = [
        &[5, 0, 0, 1, 10, 0, 0, 1, 0, 80],
        &[5, 0, 0, 3, 2, b'a', b'b', 0, 80],
        &[5, 0, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 80],
    ];
    for piece in [1, 2, 3, 1_000] {
        for reply in replies {
            let mut to = tunnel(USER, "kafka");
            assert_eq!(sent(&mut to), [5, 2, 0, 2]);
            answer(&mut to, &[5, 2], piece).unwrap();
            assert_eq!(sent(&mut to), b"\x01\x04user\x04pass");
            answer(&mut to, &[1, 0], piece).unwrap();
            assert_eq!(sent(&mut to), b"\x05\x01\x00\x03\x05kafka\x23\x84");
            let followed = [reply, b"broker"].concat();
            assert_eq!(answer(&mut to, &followed, piece), Ok(&b"broker"[..]), "not a byte of the broker's");
            assert_eq!((to.wanted(), sent(&mut to).len()), (0, 0));
        }
    }
    // A proxy that does not ask is told no password.
    let mut to = tunnel(USER, "10.1.2.3");
    sent(&mut to);
    answer(&mut to, &[5, 0], 2).unwrap();
    assert_eq!(sent(&mut to), b"\x05\x01\x00\x01\x0a\x01\x02\x03\x23\x84");
    let mut to = tunnel(PLAIN, "fd00::1");
    assert_eq!(sent(&mut to), [5, 1, 0]);
    answer(&mut to, &[5, 0], 2).unwrap();
    assert_eq!(sent(&mut to)[..6], [5, 1, 0, 4, 0xfd, 0]);
}

#[test]
fn what_socks5_refuses() {
    use ProxyFailure::{CredentialsMissing, CredentialsRefused, Protocol, Reply};
    let cases: [(&str, &[&[u8]], ProxyFailure); 12] = [
        (PLAIN, &[&[5, 0xff]], CredentialsMissing),
        (USER, &[&[5, 0xff]], CredentialsRefused),
        (USER, &[&[5, 2], &[1, 1]], CredentialsRefused),
        (USER, &[&[5, 2], &[5, 0]], Protocol),
        (PLAIN, &[&[5, 2]], Protocol),
        (PLAIN, &[&[4, 0]], Protocol),
        (PLAIN, &[b"HT"], Protocol),
        (PLAIN, &[&[5, 0], &[5, 2]], Reply(2)),
        (PLAIN, &[&[5, 0], &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], Reply(5)),
        (PLAIN, &[&[5, 0], &[5, 200]], Reply(200)),
        (PLAIN, &[&[5, 0], &[4, 0]], Protocol),
        (PLAIN, &[&[5, 0], &[5, 0, 0, 2, 0]], Protocol),
    ];
    for (url, answers, failure) in cases {
        let mut to = tunnel(url, "kafka");
        let outcome = answers.iter().try_for_each(|bytes| {
            sent(&mut to);
            answer(&mut to, bytes, 1).map(|_| ())
        });
        assert_eq!(outcome, Err(failure), "{answers:?}");
    }
}

#[test]
fn http_with_and_without_a_user() {
    let expected =
        "CONNECT kafka:9092 HTTP/1.1\r\nHost: kafka:9092\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200\r\nVia: x\r\n\r\n", "HTTP/1.1 204 a\nb: c\n\n"] {
        for piece in [1, 5, 1_000] {
            let mut to = tunnel("http://user:pass@p:1", "kafka");
            assert_eq!(sent(&mut to), expected.as_bytes());
            assert_eq!(answer(&mut to, head.as_bytes(), piece), Ok(&b""[..]));
            assert_eq!(to.wanted(), 0, "{head:?}");
        }
    }
    let mut to = tunnel("http://p:1", "fd::1");
    assert_eq!(sent(&mut to), b"CONNECT [fd::1]:9092 HTTP/1.1\r\nHost: [fd::1]:9092\r\n\r\n");
}

#[test]
fn what_http_refuses() {
    use ProxyFailure::{CredentialsMissing, CredentialsRefused, Protocol, Status};
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(10_000));
    for (url, head, failure) in [
        ("http://p:1", "HTTP/1.1 407 Proxy Authentication Required\r\n", CredentialsMissing),
        ("http://u:p@p:1", "HTTP/1.1 407 ", CredentialsRefused),
        ("http://p:1", "HTTP/1.1 403 Forbidden", Status(403)),
        ("http://p:1", "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", Status(502)),
        ("http://p:1", "HTTP/1.1 2x0 OK\r\n\r\n", Protocol),
        ("http://p:1", "HTTP/2.0 200 OK\r\n\r\n", Protocol),
        ("http://p:1", "SSH-2.0-OpenSSH_9.9\r\n", Protocol),
        ("http://p:1", "\r\n\r\n", Protocol),
        ("http://p:1", &endless, Protocol),
    ] {
        let mut to = tunnel(url, "kafka");
        sent(&mut to);
        assert_eq!(answer(&mut to, head.as_bytes(), 1).map(<[u8]>::len), Err(failure), "{head:.40}");
    }
    // Nobody speaks for a broker.
    let mut to = tunnel("http://p:1", "kafka");
    sent(&mut to);
    assert_eq!(to.handle_received(b"HTTP/1.1 200 OK\r\n\r\nx"), Err(Protocol));
}

#[test]
fn a_brokers_name_is_no_header() {
    let proxy = Proxy::parse("http://p:1").unwrap();
    for host in ["", "a\r\nX-Evil: 1", "a b", "é", "a/b", "a@b", &"x".repeat(256)] {
        assert_eq!(proxy.tunnel(host, 1).err(), Some(ProxyFailure::BadHost), "{host:?}");
    }
}

/// Whatever comes, in whatever pieces, it ends in a connection or an error, in bounds.
#[test]
fn no_answer_does_harm() {
    let mut state = 431_u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let pieces: [&[u8]; 12] = [
        &[5, 0],
        &[5, 2],
        &[1, 0],
        &[5, 0, 0, 3, 255],
        &[5, 0, 0, 1],
        &[0],
        &[255],
        b"HTTP/1.1 200",
        b"\r\n",
        b"\n",
        b"HTTP/1.0 ",
        b"x: y",
    ];
    let mut done = 0;
    for round in 0..50_000 {
        let mut to = tunnel(["socks5://u:p@h:1", "http://u:p@h:1"][round % 2], "kafka");
        for _ in 0..20 {
            sent(&mut to);
            let bytes = pieces[random(pieces.len() as u32) as usize];
            let piece = 1 + random(8) as usize;
            if answer(&mut to, bytes, piece).is_err() {
                break;
            }
            assert!(to.wanted() <= 8 * 1024);
            if to.wanted() == 0 && to.unsent().is_empty() {
                done += 1;
                break;
            }
        }
    }
    assert!(done > 100, "{done}");
}

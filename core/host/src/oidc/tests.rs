//! Against a small server over TCP: good answers, refusals, what is no answer, and servers that say nothing, or no end of
//! it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use super::*;

const SECRET: &str = "geheim!";

/// What a server does with one connection, after it has read the question.
type Act = fn(&mut TcpStream);

fn say(stream: &mut TcpStream, text: &str) {
    // Who asks may have heard enough.
    let _ = stream.write_all(text.as_bytes());
}

fn with_body(stream: &mut TcpStream, status: &str, body: &str) {
    say(stream, &format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
}

fn good(stream: &mut TcpStream) {
    with_body(stream, "200 OK", r#"{"access_token":"a.b.c","expires_in":3600}"#);
}

/// A server with a script: a connection for each line of it. What it was asked comes through the channel.
fn server(script: &'static [Act]) -> (Endpoint, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, questions) = channel();
    thread::spawn(move || {
        for act in script {
            let (mut stream, _) = listener.accept().unwrap();
            let question = question(&stream);
            if asked.send(question).is_err() {
                return;
            }
            act(&mut stream);
        }
    });
    (Endpoint::parse(&format!("http://127.0.0.1:{port}/token?a=b")).unwrap(), questions)
}

fn question(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    head + str::from_utf8(&body).unwrap()
}

fn oidc(endpoint: Endpoint) -> Oidc {
    Oidc {
        endpoint,
        authorization: authorization("gateway-7", SECRET, false),
        form: form(Some("kafka write")),
        extensions: vec![("logicalCluster".into(), "lkc-1".into())],
        times: Times { connect: Duration::from_secs(20), read: Duration::from_secs(20) },
        backoff: Duration::from_millis(1),
        backoff_max: Duration::from_secs(20),
        tls: None,
    }
}

/// What comes of one call. No error tells the secret.
fn ask(oidc: &Oidc) -> Result<String, String> {
    let mut last = None;
    let token = oidc.token(&mut last).map(drop).map_err(|error| error.to_string());
    if let Err(error) = &token {
        assert!(!error.contains(SECRET) && !error.contains("a=b"), "{error}");
        assert!(
            error.starts_with(&format!("the token endpoint http://127.0.0.1:{}/token ", oidc.endpoint.port)),
            "{error}"
        );
    }
    token.map(|()| match last {
        Some(Last::Token { token, .. }) => token.to_string(),
        _ => "not kept".to_owned(),
    })
}

#[test]
fn a_question_is_what_kafkas_client_asks() {
    let (endpoint, questions) = server(&[good]);
    let port = endpoint.port;
    let oidc = oidc(endpoint);
    assert_eq!(ask(&oidc).as_deref(), Ok("a.b.c"));
    let question = questions.recv().unwrap();
    let (head, form) = question.split_once("\r\n\r\n").unwrap();
    assert_eq!(form, "grant_type=client_credentials&scope=kafka+write");
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /token?a=b HTTP/1.1"));
    let lines: Vec<&str> = lines.collect();
    for line in [
        &*format!("Host: 127.0.0.1:{port}"),
        // `gateway-7:geheim!`
        "Authorization: Basic Z2F0ZXdheS03OmdlaGVpbSE=",
        "Accept: application/json",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 47",
        "Connection: close",
    ] {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
    assert!(!format!("{oidc:?}").contains("Basic"));
}

#[test]
fn who_asks_is_encoded_where_the_server_wants_it() {
    let plain = |value: &str| {
        let bytes = Base64::decode_vec(value.strip_prefix("Basic ").unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(plain(&authorization("a b", "c:/+ü*", false)), "a b:c:/+ü*");
    assert_eq!(plain(&authorization("a b", "c:/+ü*", true)), "a+b:c%3A%2F%2B%C3%BC*");
    assert_eq!(form(None), "grant_type=client_credentials");
}

#[test]
fn an_answers_end_is_found_however_it_is_said() {
    fn by_closing(stream: &mut TcpStream) {
        say(stream, "HTTP/1.0 200 OK\r\n\r\n{\"access_token\":\"closed\",\"expires_in\":9}");
    }
    fn in_chunks(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 201 Created\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n");
        say(
            stream,
            "11;name=value\r\n{\"access_token\":\"\r\n1a\r\nchunked\",\"expires_in\":\"9\"}\r\n0\r\n\r\n",
        );
    }
    fn byte_by_byte(stream: &mut TcpStream) {
        for byte in
            "HTTP/1.1 200 OK\r\ncontent-length:38\r\n\r\n{\"access_token\":\"slow\",\"expires_in\":9}more"
                .chars()
        {
            say(stream, &byte.to_string());
        }
    }
    let (endpoint, _questions) = server(&[by_closing, in_chunks, byte_by_byte]);
    let oidc = oidc(endpoint);
    for expected in ["closed", "chunked", "slow"] {
        assert_eq!(ask(&oidc).as_deref(), Ok(expected));
    }
}

#[test]
fn what_may_pass_is_asked_again_and_what_will_not_is_told_at_once() {
    fn busy(stream: &mut TcpStream) {
        with_body(stream, "500 Internal Server Error", "<html>");
    }
    fn breaks(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access");
    }
    fn refuses(stream: &mut TcpStream) {
        with_body(stream, "401 Unauthorized", r#"{"error":"invalid_client","error_description":"unknown"}"#);
    }
    let (endpoint, questions) = server(&[busy, breaks, |_| {}, good, refuses, good]);
    let oidc = oidc(endpoint);
    assert_eq!(ask(&oidc).as_deref(), Ok("a.b.c"));
    assert_eq!(questions.try_iter().count(), 4);
    let error = ask(&oidc).unwrap_err();
    assert!(error.ends_with("answered 401: invalid_client - unknown"), "{error}");
    assert_eq!(questions.try_iter().count(), 1);
}

#[test]
fn what_is_no_answer_is_told() {
    fn endless(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 4_096]).is_ok() {}
    }
    fn endless_head(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"name: value\r\n").is_ok() {}
    }
    fn endless_chunks(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"1\r\n \r\n").is_ok() {}
    }
    fn large(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n{}");
    }
    fn larger(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n{}");
    }
    fn large_chunk(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}");
    }
    fn no_chunk(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n");
    }
    fn packed(stream: &mut TcpStream) {
        say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}");
    }
    fn garbage(stream: &mut TcpStream) {
        say(stream, "\x16\x03\x01 what is this\r\n\r\n");
    }
    fn no_token(stream: &mut TcpStream) {
        with_body(stream, "200 OK", "<html>");
    }
    fn elsewhere(stream: &mut TcpStream) {
        with_body(stream, "407 Proxy", "");
    }
    const SCRIPT: [(Act, &str); 11] = [
        (endless, "more than 65536 bytes"),
        (endless_head, "more than 65536 bytes"),
        (endless_chunks, "more than 65536 bytes"),
        (large, "more than 65536 bytes"),
        (larger, "no HTTP/1.1"),
        (large_chunk, "more than 65536 bytes"),
        (no_chunk, "no HTTP/1.1"),
        (packed, "no HTTP/1.1"),
        (garbage, "no HTTP/1.1"),
        (no_token, "no JSON object"),
        (elsewhere, "answered 407"),
    ];
    let (endpoint, questions) = server(
        const {
            &[
                SCRIPT[0].0,
                SCRIPT[1].0,
                SCRIPT[2].0,
                SCRIPT[3].0,
                SCRIPT[4].0,
                SCRIPT[5].0,
                SCRIPT[6].0,
                SCRIPT[7].0,
                SCRIPT[8].0,
                SCRIPT[9].0,
                SCRIPT[10].0,
            ]
        },
    );
    let oidc = oidc(endpoint);
    for (_, why) in SCRIPT {
        let error = ask(&oidc).unwrap_err();
        assert!(error.contains(why), "{error}, and not {why}");
        assert_eq!(questions.try_iter().count(), 1, "asked once: {why}");
    }
}

/// Neither silence nor a byte now and then takes longer than the time for an answer; and nobody there is heard of soon.
#[test]
fn who_does_not_answer_is_not_waited_for() {
    fn silent(stream: &mut TcpStream) {
        let _ = stream.read(&mut [0]);
    }
    fn drips(stream: &mut TcpStream) {
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    }
    let (endpoint, _questions) = server(&[silent, drips]);
    let mut oidc = oidc(endpoint);
    oidc.times.read = Duration::from_millis(200);
    oidc.backoff_max = Duration::from_millis(1);
    for _ in 0..2 {
        let begin = Instant::now();
        let error = ask(&oidc).unwrap_err();
        assert!(error.ends_with("did not answer in time"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    oidc.endpoint.port = closed;
    let error = ask(&oidc).unwrap_err();
    assert!(error.contains("cannot be asked: Connection refused"), "{error}");
}

/// A token is kept for as long as it is good for something, and so is a refusal for a while.
#[test]
fn answers_are_kept() {
    fn short(stream: &mut TcpStream) {
        with_body(stream, "200 OK", r#"{"access_token":"short","expires_in":0.1}"#);
    }
    fn without_end(stream: &mut TcpStream) {
        with_body(stream, "200 OK", r#"{"access_token":"once"}"#);
    }
    fn refuses(stream: &mut TcpStream) {
        with_body(stream, "403 Forbidden", "");
    }
    let (endpoint, questions) = server(&[short, without_end, refuses, good]);
    let mut oidc = oidc(endpoint);
    oidc.backoff_max = Duration::from_millis(300);
    let asked = || questions.try_iter().count();
    let mut last = None;
    oidc.token(&mut last).unwrap();
    let Some(Last::Token { until, .. }) = last else { panic!("it is kept") };
    assert!(until <= Instant::now() + Duration::from_millis(80), "four fifths of it");
    assert_eq!(asked(), 1);
    last = Some(Last::Token {
        token: Zeroizing::new("kept".into()),
        until: Instant::now() + Duration::from_secs(60),
    });
    assert!(oidc.token(&mut last).is_ok());
    assert_eq!(asked(), 0, "it is still good");
    last = Some(Last::Token { token: Zeroizing::new("old".into()), until: Instant::now() });
    oidc.token(&mut last).unwrap();
    assert!(last.is_none(), "nobody knows how long it is good");
    assert_eq!(asked(), 1);
    let first = oidc.token(&mut last).unwrap_err().to_string();
    let again = oidc.token(&mut last).unwrap_err().to_string();
    assert_eq!((first.as_str(), asked()), (again.as_str(), 1), "told again, and not asked again");
    let Some(Last::Refused { until, .. }) = &mut last else { panic!("it is kept") };
    *until = Instant::now();
    assert!(oidc.token(&mut last).is_ok());
}

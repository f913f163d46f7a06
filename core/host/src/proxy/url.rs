//! `proxy.url`: `socks5://user:password@host:port`, or `http://..`. What is wrong with one is told without it, since it
//! may hold a password.

use zeroize::Zeroizing;

use super::{Proxy, Scheme, User};

const FORM: &str =
    "socks5://host:port or http://host:port, with user:password@ before the host where the proxy wants it";
const USER: &str = "a URL with user and password of 1 to 255 bytes each, and % before two hexadecimal digits for what \
    is none of their letters; the user without a colon, for http";

pub(super) fn parse(url: &str) -> Result<Proxy, &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        // Others tell by the h that the proxy looks names up, which it always does here.
        "socks5" | "socks5h" => Scheme::Socks5,
        "http" => Scheme::Http,
        _ => return Err(FORM),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, authority) = match rest.rsplit_once('@') {
        Some((user, authority)) => (Some(parse_user(user, scheme).ok_or(USER)?), authority),
        None => (None, rest),
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").ok_or(FORM)?,
        None => authority.rsplit_once(':').ok_or(FORM)?,
    };
    let graphic = host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@[]".contains(&byte));
    if host.is_empty() || host.len() > 255 || !graphic || (host.contains(':') && !authority.starts_with('['))
    {
        return Err("a URL with a host of 1 to 255 characters, an IPv6 address in brackets");
    }
    match port.parse() {
        Ok(port) if port != 0 => Ok(Proxy { scheme, host: host.to_owned(), port, user }),
        _ => Err("a URL with a port from 1 to 65535"),
    }
}

fn parse_user(text: &str, scheme: Scheme) -> Option<User> {
    let (name, password) = text.split_once(':')?;
    let (name, password) = (decode(name)?, decode(password)?);
    let fits = |text: &str| (1..=255).contains(&text.len());
    let ambiguous = scheme == Scheme::Http && name.contains(':');
    (fits(&name) && fits(&password) && !ambiguous).then_some(User { name, password })
}

/// `%40` is an `@`.
fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            byte => byte,
        });
    }
    str::from_utf8(&decoded).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_their_parts() {
        for (url, scheme, host, port, user) in [
            ("socks5://p:1080", Scheme::Socks5, "p", 1080, None),
            ("SOCKS5h://10.0.0.1:1/", Scheme::Socks5, "10.0.0.1", 1, None),
            ("http://[fd::1]:3128", Scheme::Http, "fd::1", 3128, None),
            ("http://u:p@proxy.example:80", Scheme::Http, "proxy.example", 80, Some(("u", "p"))),
            ("socks5://a%3ab:c@d%25@h:1", Scheme::Socks5, "h", 1, Some(("a:b", "c@d%"))),
        ] {
            let proxy = parse(url).unwrap_or_else(|limit| panic!("{url}: {limit}"));
            assert_eq!((proxy.scheme, &*proxy.host, proxy.port), (scheme, host, port), "{url}");
            let found = proxy.user.as_ref().map(|user| (user.name.as_str(), user.password.as_str()));
            assert_eq!(found, user, "{url}");
            let shown = format!("{proxy:?}");
            assert!(user.is_none_or(|_| !shown.contains('@') && !shown.contains("c@d")), "{shown}");
        }
    }

    #[test]
    fn what_is_no_proxys_url_says_why_without_it() {
        let long = format!("socks5://{}:b@h:1", "s".repeat(256));
        for (url, why) in [
            ("", "socks5://host:port"),
            ("proxy:1080", "socks5://host:port"),
            ("https://p:1", "http://host:port"),
            ("socks4://p:1", "socks5://host:port"),
            ("socks5://p", "socks5://host:port"),
            ("socks5://:1", "host of 1 to 255"),
            ("socks5://a b:1", "host of 1 to 255"),
            ("socks5://p/x:1", "host of 1 to 255"),
            ("socks5://::1:1", "brackets"),
            ("socks5://[::1]", "socks5://host:port"),
            ("socks5://p:0", "port from 1"),
            ("socks5://p:65536", "port from 1"),
            ("socks5://secret@p:1", "user and password"),
            ("socks5://:secret@p:1", "user and password"),
            ("socks5://secret:@p:1", "user and password"),
            ("socks5://secret:%4@p:1", "user and password"),
            ("socks5://secret:%ff@p:1", "user and password"),
            ("http://sec%3Aret:b@p:1", "without a colon"),
            (&long, "user and password"),
        ] {
            let limit = parse(url).map(|proxy| format!("{proxy:?}")).unwrap_err();
            assert!(limit.contains(why) && !limit.contains("secret"), "{url}: {limit}");
        }
    }
}

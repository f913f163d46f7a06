//! `sasl.oauthbearer.token.endpoint.url`: where tokens are asked for.

use std::fmt;

/// A URL of `http` or `https`, in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) https: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query; it begins with a slash.
    pub(crate) path: String,
}

/// The longest URL.
const BYTES_MAX: usize = 2_048;

impl Endpoint {
    /// Reads one; what it must be otherwise.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        const SCHEME: &str = "a URL that begins with http:// or https://";
        if url.len() > BYTES_MAX || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a URL of at most 2048 visible characters of ASCII");
        }
        let (scheme, rest) = url.split_once("://").ok_or(SCHEME)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(SCHEME),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('#') || authority.contains('@') {
            return Err("a URL without a user and without a fragment");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or("a URL with an address in brackets")?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        if host.is_empty() || host.len() > 255 {
            return Err("a URL with a host of 1 to 255 bytes");
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => Some(if https { 443 } else { 80 }),
            port => port.and_then(|port| port.parse().ok()).filter(|port| *port != 0),
        };
        let port = port.ok_or("a URL with a port from 1 to 65535")?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { https, host: host.to_owned(), port, path: format!("{slash}{path}") })
    }

    /// Host and port, as they are written in a URL and in the header `Host`.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// Without the query, which may hold what is nobody's business.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_their_parts() {
        for (url, https, host, port, path, shown) in [
            (
                "https://id.example/oauth2/token",
                true,
                "id.example",
                443,
                "/oauth2/token",
                "https://id.example/oauth2/token",
            ),
            ("http://id.example", false, "id.example", 80, "/", "http://id.example/"),
            ("HTTPS://id.example:8443?a=b", true, "id.example", 8443, "/?a=b", "https://id.example:8443/"),
            ("http://127.0.0.1:443/t?a=/b", false, "127.0.0.1", 443, "/t?a=/b", "http://127.0.0.1:443/t"),
            ("https://[fe80::1]:8443/t", true, "fe80::1", 8443, "/t", "https://[fe80::1]:8443/t"),
            ("https://[fe80::1]", true, "fe80::1", 443, "/", "https://[fe80::1]/"),
        ] {
            let expected = Endpoint { https, host: host.into(), port, path: path.into() };
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(endpoint, expected, "{url}");
            assert_eq!(endpoint.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_url_of_http_says_why() {
        for (url, why) in [
            ("", "http:// or https://"),
            ("id.example/token", "http:// or https://"),
            ("file:///tmp/token", "http:// or https://"),
            ("https://", "host of 1 to 255"),
            ("https:///token", "host of 1 to 255"),
            ("https://user:secret@id.example", "without a user"),
            ("https://id.example/#a", "fragment"),
            ("https://id.example:0", "port"),
            ("https://id.example:https", "port"),
            ("https://id.example:", "port"),
            ("https://[::1", "brackets"),
            ("https://[::1]x", "port"),
            ("https://id.example/\r\nHost: other", "visible"),
            (&format!("https://{}", "x".repeat(2_048)), "at most 2048"),
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}

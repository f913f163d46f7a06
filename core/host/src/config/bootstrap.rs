//! `bootstrap.servers`: `host:port`, `address:port` or `[v6 address]:port`, several with commas between.

use super::ConfigError;

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, not 0.
    pub port: u16,
}

pub(super) fn parse(servers: &[String]) -> Result<Vec<Server>, ConfigError> {
    if servers.is_empty() {
        return Err(ConfigError::Missing { name: "bootstrap.servers" });
    }
    servers.iter().map(|text| server(text)).collect()
}

/// The addresses of a list with commas; blanks around them do not count.
pub(super) fn split(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn server(text: &str) -> Result<Server, ConfigError> {
    let invalid =
        |limit: &str| ConfigError::invalid("bootstrap.servers", format!("{text:?}"), limit.to_owned());
    // Listeners are often written with their protocol, as brokers print them.
    let rest = text.strip_prefix("PLAINTEXT://").unwrap_or(text);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").ok_or_else(|| invalid("[address]:port"))?,
        None => rest.rsplit_once(':').ok_or_else(|| invalid("host:port"))?,
    };
    if !rest.starts_with('[') && host.contains(':') {
        return Err(invalid("[address]:port, with brackets around an IPv6 address"));
    }
    if host.is_empty() || host.len() > 255 || host.contains(char::is_whitespace) || host.contains('/') {
        return Err(invalid("host:port, with a host of 1 to 255 bytes"));
    }
    match port.parse() {
        Ok(port) if port != 0 => Ok(Server { host: host.to_owned(), port }),
        _ => Err(invalid("host:port, with a port from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> Result<Vec<(String, u16)>, String> {
        let servers: Vec<String> = split(list).collect();
        match parse(&servers) {
            Ok(servers) => Ok(servers.into_iter().map(|server| (server.host, server.port)).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn hosts_and_addresses() {
        let servers = parsed("kafka-1.example:9092, 10.0.0.7:9093,[fe80::1]:9094,PLAINTEXT://k:1").unwrap();
        let expected = [("kafka-1.example", 9092), ("10.0.0.7", 9093), ("fe80::1", 9094), ("k", 1)];
        assert_eq!(servers, expected.map(|(host, port)| (host.to_owned(), port)));
    }

    #[test]
    fn what_is_refused_says_why() {
        for (text, why) in [
            ("", "bootstrap.servers is missing"),
            ("kafka", "must be host:port"),
            ("kafka:", "port from 1 to 65535"),
            ("kafka:0", "port from 1 to 65535"),
            ("kafka:65536", "port from 1 to 65535"),
            (":9092", "host of 1 to 255 bytes"),
            ("ka fka:9092", "host of 1 to 255 bytes"),
            ("http://kafka:9092", "brackets"),
            ("::1:9092", "brackets around an IPv6 address"),
            ("[::1]9092", "[address]:port"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}

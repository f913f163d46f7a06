use super::*;

const SAMPLE: &str = include_str!("../../gateway.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text)
}

fn minimal(source: &str) -> String {
    format!("[producer]\nbootstrap.servers = \"k:9092\"\n[[source]]\ntopic = \"t\"\n{source}")
}

#[test]
fn the_sample_is_right() {
    let config = parse(SAMPLE).unwrap();
    assert_eq!(config.sources.len(), 4);
    assert_eq!(config.producer.get("spool.dir"), Some("/var/lib/gateway/spool"));
    let _ = config.producer.builder().unwrap();
}

#[test]
fn kafkas_names_are_names_again() {
    let text = "bootstrap.servers = \"a:1,b:2\"\nlinger.ms = 5\n\"partitioner.ignore.keys\" = true\n";
    let config = parse(&format!("[producer]\n{text}[[source]]\ntype = \"stdin\"\ntopic = \"t\"")).unwrap();
    let get = |name| config.producer.get(name).unwrap();
    assert_eq!(
        [get("bootstrap.servers"), get("linger.ms"), get("partitioner.ignore.keys")],
        ["a:1,b:2", "5", "true"]
    );
    let _ = config.producer.builder().unwrap();
    let unknown = parse("[producer]\nlinger.sm = 5\n[[source]]\ntype = \"stdin\"\ntopic = \"t\"").unwrap();
    assert!(unknown.producer.builder().unwrap_err().to_string().contains("nearest is \"linger.ms\""));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, why) in [
        ("[producer]\n", "there is no [[source]]"),
        ("pattern = \"sometimes\"\n[producer]\n", "unknown variant `sometimes`"),
        ("patern = \"synchronous\"\n[producer]\n", "unknown field `patern`"),
        ("[producer]\nlinger.ms = [5]\n", "[producer] linger.ms is a text"),
        ("[producer]\nmax.block.ms = 5\n", "max.block.ms is the gateway's own"),
        (&minimal("type = \"tcp\""), "(without a name): address is missing"),
        (&minimal("type = \"serial\""), "unknown variant `serial`"),
        (&minimal("type = \"file\""), "path is missing"),
        (&minimal("type = \"stdin\"\npath = \"x\""), "path is not for a source of this type"),
        (&minimal("type = \"udp\"\naddress = \"nowhere\""), "invalid socket address"),
        (
            &minimal("type = \"stdin\"\nline_bytes_max = 0"),
            "line_bytes_max = 0 cannot be used: it must be from 1 to",
        ),
        (&minimal("type = \"stdin\"\nseparator = \";\""), "separator is for format = \"columns\""),
        (&minimal("type = \"stdin\"\nkey = \"{host}\""), "key = \"{host}\" has the field {host}"),
        (&minimal("type = \"stdin\"\nkey = \"{peer}\""), "{peer}"),
        (&minimal("type = \"stdin\"\nunparsed_topic = \"no topic\""), "topic = \"no topic\" is none"),
        (
            &(minimal("type = \"stdin\"\n") + "[[source]]\ntype = \"stdin\"\nname = \"b\"\ntopic = \"t\""),
            "same name or input",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(why), "{text}\n{error}");
    }
}

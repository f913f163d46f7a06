//! Settings that are wrong, alone, together, or for the place where the program runs: each has one message, which names the
//! setting, its value and what would do. `golden/wrong_settings.txt` has their wording.

use std::path::{Path, PathBuf};
use std::{env, fs};

use felice_blocking::Producer;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/wrong_settings.txt");

/// What is set, beside `bootstrap.servers=kafka:9092`; and what the message must have in it. `DIR` is a folder with `empty.pem`
/// in it.
const WRONG: [(&str, &[&str]); 30] = [
    ("bootstrap.servers=", &["bootstrap.servers", "missing"]),
    ("bootstrap.servers=kafka", &["bootstrap.servers", "\"kafka\"", "host:port"]),
    ("acks=2", &["acks", "\"2\"", "0, 1 or all"]),
    ("acks=1;enable.idempotence=true", &["acks = 1", "all", "enable.idempotence"]),
    (
        "max.in.flight.requests.per.connection=6",
        &["max.in.flight.requests.per.connection = 6", "1 to 5", "enable.idempotence"],
    ),
    ("delivery.timeout.ms=1000", &["delivery.timeout.ms = 1000", "30005", "linger.ms + request.timeout.ms"]),
    ("linger.sm=5", &["linger.sm", "linger.ms"]),
    ("linger.ms=5s", &["linger.ms", "\"5s\"", "milliseconds"]),
    ("group.id=readers", &["group.id", "consumer"]),
    ("queue.buffering.max.ms=5", &["queue.buffering.max.ms", "linger.ms"]),
    (
        "key.serializer=org.apache.kafka.common.serialization.StringSerializer",
        &["key.serializer", "Serialize"],
    ),
    ("buffer.memory=1000", &["buffer.memory = 1000", "16384 to 1073741824"]),
    ("batch.size=2000000", &["batch.size = 2000000", "262144", "max.request.size"]),
    ("max.request.size=600000", &["max.request.size = 600000", "524288", "half of buffer.memory"]),
    ("retries=3", &["retries", "\"3\"", "1000000", "delivery.timeout.ms"]),
    ("compression.type=brotli", &["compression.type", "\"brotli\"", "none, gzip, snappy, lz4 or zstd"]),
    ("compression.gzip.level=12", &["compression.gzip.level = 12", "1 to 9"]),
    ("retry.backoff.ms=5000", &["retry.backoff.max.ms = 1000 ms", "retry.backoff.ms = 5000 ms"]),
    ("brokers.max=0", &["brokers.max = 0", "1 to 1000"]),
    ("security.protocol=TLS", &["security.protocol", "\"TLS\"", "SASL_SSL"]),
    ("sasl.mechanism=PLAIN;sasl.username=u;sasl.password=secret", &["sasl.mechanism", "security.protocol"]),
    ("security.protocol=SASL_PLAINTEXT;sasl.mechanism=PLAIN;sasl.username=u", &["sasl.password", "missing"]),
    ("security.protocol=SASL_PLAINTEXT;sasl.mechanism=GSSAPI", &["sasl.mechanism", "GSSAPI", "PLAIN"]),
    ("security.protocol=SSL", &["ssl.truststore.location"]),
    (
        "security.protocol=SSL;ssl.truststore.location=DIR/none.pem",
        &["ssl.truststore.location", "DIR/none.pem", "No such file"],
    ),
    (
        "security.protocol=SSL;ssl.truststore.location=DIR/empty.pem",
        &["ssl.truststore.location", "DIR/empty.pem", "certificate"],
    ),
    ("spool.dir=DIR/spool;enable.idempotence=false", &["spool.dir", "enable.idempotence"]),
    ("spool.dir=DIR/spool;spool.max.bytes=1000", &["spool.max.bytes", "1000", "max.request.size"]),
    ("proxy.url=ftp://u:secret@proxy:1", &["proxy.url", "[hidden]", "socks5://"]),
    (
        "client.id=a-gateway-whose-name-is-longer-than-any-name-that-a-person-would-like-to-read",
        &["client.id", "64 bytes"],
    ),
];

/// A folder that is gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong_settings");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("empty.pem"), "no certificate is in here\n").unwrap();
        Self(folder)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// What is wrong with these settings, in a text or in a file.
    fn refused(&self, settings: &str, in_file: bool) -> String {
        let settings = settings.replace("DIR", self.name()).replace(';', "\n");
        let text = format!("bootstrap.servers=kafka:9092\n{settings}\n");
        let result = if in_file {
            let file = self.0.join("producer.properties");
            fs::write(&file, &text).unwrap();
            Producer::from_file(&file)
        } else {
            Producer::builder()
                .properties_text(&text)
                .map_err(Into::into)
                .and_then(felice_blocking::Builder::build)
        };
        let Err(error) = result else { panic!("{settings} is taken") };
        let error = error.to_string();
        error
            .replace(&format!("{}/producer.properties", self.name()), "properties")
            .replace(self.name(), "DIR")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// With `FELICE_UPDATE=1` it writes the wording down.
#[test]
fn each_has_one_message_that_says_what_to_do() {
    let folder = Folder::new();
    let mut said = String::new();
    for (settings, parts) in WRONG {
        let message = folder.refused(settings, false);
        for part in parts {
            assert!(message.contains(part), "{settings}: {message:?} lacks {part:?}");
        }
        assert!(!message.contains("secret") && !message.contains('\n'), "{message}");
        assert_eq!(folder.refused(settings, true), message, "a file says the same, with its own name");
        said += &format!("{settings}\n    {message}\n");
    }
    if env::var_os("FELICE_UPDATE").is_some() {
        fs::write(GOLDEN, &said).unwrap();
    }
    assert!(fs::read_to_string(GOLDEN).unwrap() == said, "FELICE_UPDATE=1 writes {GOLDEN} anew:\n{said}");
}

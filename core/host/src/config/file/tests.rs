use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::{Builder, Start};
use super::*;

/// A producer that keeps its settings, and that is all.
struct Kept(Settings);

impl Start for Kept {
    fn start(settings: Settings) -> Result<Self, crate::BuildError> {
        Ok(Self(settings.check()?.settings))
    }
}

/// A file that is gone with this value.
struct Written(PathBuf);

impl Written {
    fn new(content: impl AsRef<[u8]>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("felice-{process}-{count}.properties"));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn read(&self) -> Result<Builder<Kept>, ConfigError> {
        Builder::new().properties_file(&self.0)
    }

    /// What is wrong, when it is read or when it is built; without the file's name, which must be its beginning.
    fn refused(&self) -> String {
        let built = self.read().map_err(crate::BuildError::from).and_then(Builder::build);
        let Err(error) = built else { panic!("must be refused") };
        let error = error.to_string();
        error.strip_prefix(self.0.to_str().unwrap()).unwrap_or_else(|| panic!("{error}")).to_owned()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_as_kafkas_tools_have_it() {
    let file = Written::new(
        "# comment\n\
         bootstrap.servers=kafka-1.example:9092,\\\n    kafka-2.example:9092\n\
         ! another\n\
         client.id = Stra\u{df}e-\\u00e9 \n\
         linger.ms: 7\n\
         linger.ms: 8\n\
         acks -1\n\
         compression.type=none\n\
         security.protocol=plaintext\n\
         retries=2147483647\n\
         enable.idempotence=TRUE\n",
    );
    let builder = file.read().unwrap();
    let shown = format!("{builder:?}");
    assert!(
        shown.contains(r#"["kafka-1.example:9092", "kafka-2.example:9092"], client_id: "Straße-é""#),
        "{shown}"
    );
    assert_eq!(builder.build().unwrap().0.linger, Duration::from_millis(8));
}

#[test]
fn what_is_wrong_is_found_by_file_line_and_name() {
    for (content, why) in [
        ("\nlinger.sm=5", r#", line 2: there is no setting "linger.sm"; the nearest is "linger.ms""#),
        ("Linger.ms=5", r#", line 1: there is no setting "Linger.ms"; the nearest is "linger.ms""#),
        ("\u{feff}acks=1", r#", line 1: there is no setting "\u{feff}acks"; the nearest is "acks""#),
        ("=5", r#", line 1: there is no setting ""; the nearest is"#),
        (
            "#\r\nlinger.ms=5s",
            r#", line 2: linger.ms = "5s" cannot be used: it must be a whole number of milli"#,
        ),
        ("linger.ms=-1", r#", line 1: linger.ms = "-1" cannot be used: it must be a whole number of milli"#),
        ("acks", r#", line 1: acks = "" cannot be used: it must be 0, 1 or all"#),
        (
            "compression.type=zip",
            r#", line 1: compression.type = "zip" cannot be used: it must be none, gzip, "#,
        ),
        #[cfg(not(feature = "__tls"))]
        (
            "security.protocol=SSL",
            ", line 1: security.protocol = SSL cannot be used: it must be PLAINTEXT or SASL_PLAINTEXT: this program",
        ),
        (
            "security.protocol=TLS",
            r#", line 1: security.protocol = "TLS" cannot be used: it must be PLAINTEXT, SSL, "#,
        ),
        ("retries=3", r#", line 1: retries = "3" cannot be used: it must be 1000000 or more: "#),
        (
            "key.serializer=org.apache.kafka.common.serialization.StringSerializer",
            r#", line 1: felice has no setting "key.serializer": records bring their own serializers here"#,
        ),
        (
            "queue.buffering.max.ms=5",
            r#", line 1: felice has no setting "queue.buffering.max.ms": here it is linger.ms"#,
        ),
        ("group.id=g", r#", line 1: felice has no setting "group.id": it is a consumer's"#),
        ("ssl.keystore.password=secret", r#", line 1: felice has no setting "ssl.keystore.password": "#),
        ("a=\\\n  \\u12", ", line 1: a \\u must be followed by the four hexadecimal digits"),
        ("acks=1", ": bootstrap.servers is missing"),
    ] {
        let error = Written::new(content).refused();
        assert!(error.starts_with(why), "{content:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(Written::new(b"acks=1\rclient.id=Stra\xdfe").refused(), ", line 2: these bytes are no UTF-8");
}

#[test]
fn what_does_not_fit_is_found_by_its_line_unless_it_was_set_since() {
    for (content, why) in [
        (
            "buffer.memory=1000",
            ", line 2: buffer.memory = 1000 cannot be used: it must be 16384 to 1073741824",
        ),
        (
            "buffer.memory=99999999999999999999",
            ", line 2: buffer.memory = 18446744073709551615 cannot be used: it must be 16384 to",
        ),
        (
            "linger.ms=2147483648",
            ", line 2: linger.ms = 2147483648 ms cannot be used: it must be 0 to 2147483647 ms",
        ),
        ("linger.ms=1\n\nlinger.ms=2147483648", ", line 4: linger.ms = 2147483648 ms"),
        (
            "delivery.timeout.ms=9",
            ", line 2: delivery.timeout.ms = 9 ms cannot be used: it must be at least linger.ms",
        ),
        ("enable.idempotence=true\nacks=0", ", line 3: acks = 0 cannot be used: it must be all"),
        ("topics.max=0", ", line 2: topics.max = 0 cannot be used: it must be 1 to 65535"),
    ] {
        let error = Written::new(format!("bootstrap.servers=k:9092\n{content}")).refused();
        assert!(error.starts_with(why), "{content:?}: {error}");
    }
    let file = Written::new("bootstrap.servers=k:9092\nbuffer.memory=1000\nlinger.ms=9");
    let refused = |builder: Builder<Kept>| match builder.build() {
        Ok(_) => panic!("must be refused"),
        Err(error) => error.to_string(),
    };
    let error = refused(file.read().unwrap().buffer_memory(999));
    assert_eq!(error, "buffer.memory = 999 cannot be used: it must be 16384 to 1073741824");
    let longer = Duration::from_secs(1 << 40);
    let error = refused(file.read().unwrap().buffer_memory(32 * 1024).linger(longer));
    assert!(error.starts_with("linger.ms = "), "{error}");
    let error = refused(file.read().unwrap().properties([("buffer.memory", "998")]).unwrap());
    assert!(error.starts_with("buffer.memory = 998"), "{error}");
}

#[test]
fn a_text_is_read_as_a_file() {
    let builder = Builder::<Kept>::new().properties_text("bootstrap.servers=k:9092\nlinger.ms=8\n").unwrap();
    assert_eq!(builder.build().unwrap().0.linger, Duration::from_millis(8));
    let error = Builder::<Kept>::new().properties_text("acks=1\nlinger.sm=5").map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"properties, line 2: there is no setting "linger.sm"; the nearest is "linger.ms""#
    );
    let missing = Builder::<Kept>::new().properties_text("acks=1").unwrap().build().map(drop).unwrap_err();
    assert_eq!(missing.to_string(), "properties: bootstrap.servers is missing");
}

#[test]
fn a_file_replaces_what_was_set_and_is_replaced_by_what_is_set_after() {
    let file = Written::new("bootstrap.servers=file:9092\nlinger.ms=9\nclient.id=file");
    let before = Builder::<Kept>::new().bootstrap_servers("before:9092").linger(Duration::ZERO);
    let settings = before.properties_file(&file.0).unwrap().client_id("after").build().unwrap().0;
    assert_eq!(settings.bootstrap_servers, ["file:9092"]);
    assert_eq!((settings.linger, settings.client_id.as_str()), (Duration::from_millis(9), "after"));
}

#[test]
fn what_is_no_file_of_settings_is_said() {
    let missing = Builder::<Kept>::new().properties_file("/no/such.properties").unwrap_err();
    assert_eq!(missing.to_string(), "/no/such.properties: No such file or directory (os error 2)");
    assert!(matches!(missing, ConfigError::File { .. }));
    let folder = Builder::<Kept>::new().properties_file(std::env::temp_dir()).unwrap_err();
    assert!(matches!(folder, ConfigError::File { .. }), "{folder}");
    let endless = Written::new(vec![b'#'; FILE_BYTES_MAX as usize + 1]);
    assert_eq!(endless.refused(), ": it is longer than 64 KiB");
    assert!(Written::new(vec![b'#'; FILE_BYTES_MAX as usize]).read().is_ok());
}

/// Names and values that are almost right, cut anywhere, with bytes that are no text: an error or a builder, and an end.
#[test]
fn no_file_does_harm() {
    let mut state = 431_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let names: Vec<&str> = include_str!("../../../../../tests/golden/config_java431.tsv")
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    let values = ["all", "1", "0", "true", "-1", "99999999999999999999", "h:1", "\\u00", "x", "", "none"];
    let (mut built, mut refused) = (0, 0);
    for _ in 0..5_000 {
        let mut bytes = b"bootstrap.servers=h:1\n".to_vec();
        for _ in 0..random(3) {
            let (name, value) = (names[random(names.len())], values[random(values.len())]);
            bytes.extend(format!("{name}={value}\n").bytes());
        }
        if random(2) == 0 {
            let place = random(bytes.len());
            bytes[place] = random(256) as u8;
            bytes.truncate(1 + random(bytes.len()));
        }
        let mut settings = Settings::default();
        let taken = take(&mut settings, Path::new("f"), &bytes);
        match taken.and_then(|()| settings.check().map(drop)) {
            Ok(()) => built += 1,
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(built > 100 && refused > 100, "{built} {refused}");
}

use super::*;

struct Nothing;

impl Start for Nothing {
    fn start(settings: Settings) -> Result<Self, crate::BuildError> {
        settings.check()?;
        Ok(Self)
    }
}

fn builder() -> Builder<Nothing> {
    Builder::new().bootstrap_servers("localhost:9092")
}

fn refused(builder: Builder<Nothing>) -> String {
    match builder.build() {
        Ok(_) => panic!("must be refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_defaults_fit_and_the_bootstrap_servers_have_none() {
    builder().build().unwrap();
    assert_eq!(refused(Builder::new()), "bootstrap.servers is missing");
}

#[test]
fn a_refused_setting_is_named_with_its_value_and_its_limit() {
    let cases: [(Builder<Nothing>, &[&str]); 14] = [
        (
            builder().delivery_timeout(Duration::from_secs(29)),
            &["delivery.timeout.ms = 29000 ms", "30005 ms"],
        ),
        (
            builder().max_in_flight_requests_per_connection(6),
            &["per.connection = 6", "1 to 5", "idempotence"],
        ),
        (builder().max_in_flight_requests_per_connection(0), &["per.connection = 0", "1 to 16"]),
        (builder().enable_idempotence(true).acks(Acks::Leader), &["acks = 1", "all"]),
        (builder().buffer_memory(1_000), &["buffer.memory = 1000", "16384 to"]),
        (builder().batch_size(300_000), &["batch.size = 300000", "0 to 262144", "max.request.size"]),
        (
            builder().max_request_size(600_000),
            &["max.request.size = 600000", "524288", "half of buffer.memory"],
        ),
        (builder().topics_max(0), &["topics.max = 0", "1 to"]),
        (builder().partitions_max(0), &["partitions.max = 0", "1 to"]),
        (builder().brokers_max(0), &["brokers.max = 0", "1 to"]),
        (builder().brokers_max(1).bootstrap_servers("a:1"), &["2 addresses", "brokers.max = 1"]),
        (builder().client_id(&"x".repeat(65)), &["client.id", "at most 64 bytes"]),
        (
            builder().retry_backoff(Duration::from_secs(2)),
            &["retry.backoff.max.ms = 1000 ms", "retry.backoff.ms"],
        ),
        (builder().linger(Duration::from_secs(1 << 40)), &["linger.ms", "0 to"]),
    ];
    for (builder, parts) in cases {
        let error = refused(builder);
        for part in parts {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}

#[test]
fn idempotence_follows_acks_unless_it_was_asked_for() {
    let idempotence = |builder: Builder<Nothing>, set: fn(&mut Settings)| {
        drop(builder);
        let mut settings = Settings { bootstrap_servers: vec!["a:1".into()], ..Settings::default() };
        set(&mut settings);
        settings.check().map(|checked| checked.sender.idempotence)
    };
    assert_eq!(idempotence(builder(), |_| ()), Ok(true));
    assert_eq!(idempotence(builder(), |s| s.acks = Acks::Leader), Ok(false));
    assert_eq!(idempotence(builder(), |s| s.enable_idempotence = Some(false)), Ok(false));
}

#[test]
fn a_small_buffer_makes_small_requests_and_batches() {
    let settings =
        Settings { bootstrap_servers: vec!["a:1".into()], buffer_memory: 32 * 1024, ..Settings::default() };
    let checked = settings.check().unwrap();
    assert_eq!(
        (checked.blocks, checked.sender.request_bytes_max, checked.accumulator.batch_bytes),
        (32, 8_192, 8_192)
    );
}

#[test]
fn properties_have_kafkas_names() {
    let properties = [
        ("bootstrap.servers", "a:1, b:2"),
        ("linger.ms", "7"),
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("batch.size", "4096"),
        ("partitioner", "consistent_random"),
    ];
    let builder = Builder::<Nothing>::new().properties(properties).unwrap();
    assert!(format!("{builder:?}").contains(r#"["a:1", "b:2"]"#));
    builder.build().unwrap();
}

#[test]
fn a_compression_that_is_not_compiled_in_is_refused_with_the_feature_that_it_needs() {
    for compression in Compression::ALL {
        let name = compression.name();
        let by_name = || builder().properties([("compression.type", name)]).unwrap();
        let topics = format!("a:none, b:{name}");
        let by_topic = || builder().properties([("topic.compression.type", &*topics)]).unwrap();
        if compression::AVAILABLE.contains(&compression) {
            by_name().build().unwrap();
            by_topic().build().unwrap();
        } else {
            let error = refused(by_name());
            assert!(error.starts_with(&format!("compression.type = {name} cannot be used: it must be none")));
            assert!(error.ends_with(&format!("{name} is the crate's feature {name:?}")), "{error}");
            assert!(refused(by_topic()).starts_with(&format!("topic.compression.type = b:{name} cannot")));
            assert_eq!(refused(builder().compression_type(compression)), error);
        }
    }
}

#[test]
fn a_level_that_a_compression_lacks_is_refused() {
    let refused_at_once = |name, value| {
        Builder::<Nothing>::new().properties([(name, value)]).map(drop).unwrap_err().to_string()
    };
    for (error, parts) in [
        (refused(builder().compression_gzip_level(0)), ["compression.gzip.level = 0", "1 to 9, or -1"]),
        (refused(builder().compression_gzip_level(10)), ["compression.gzip.level = 10", "1 to 9, or -1"]),
        (refused(builder().compression_zstd_level(23)), ["compression.zstd.level = 23", "-131072 to 22"]),
        (
            refused_at_once("compression.lz4.level", "12"),
            ["compression.lz4.level = \"12\"", "9, the default"],
        ),
        (refused_at_once("compression.gzip.level", "high"), ["compression.gzip.level = \"high\"", "whole"]),
        (
            refused_at_once("compression.type", "brotli"),
            ["compression.type = \"brotli\"", "snappy, lz4 or zstd"],
        ),
        (refused_at_once("topic.compression.type", "a"), ["topic.compression.type = \"a\"", "topic:type"]),
    ] {
        assert!(parts.iter().all(|part| error.contains(part)), "{error} lacks one of {parts:?}");
    }
}

#[test]
fn an_unknown_property_is_refused_with_the_nearest() {
    let error = Builder::<Nothing>::new().properties([("linger.sm", "5")]).unwrap_err();
    assert_eq!(error.to_string(), r#"there is no setting "linger.sm"; the nearest is "linger.ms""#);
    let error = Builder::<Nothing>::new().properties([("linger.ms", "5s")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"linger.ms = "5s" cannot be used: it must be a whole number of milliseconds, 0 or more"#
    );
}

/// All that is checked, as text.
fn shown(settings: Settings) -> String {
    let mut checked = settings.check().unwrap();
    (checked.accumulator.seed, checked.sender.seed) = (0, 0);
    let Settings { client_id, max_block, ignore_keys, topics_max, partitions_max, .. } = &checked.settings;
    let Settings { partitions_known_max, brokers_max, drop_timeout, clock_unset_before, .. } =
        &checked.settings;
    let planes = (&checked.accumulator, &checked.sender, checked.blocks, &checked.codecs);
    let tables = (topics_max, partitions_max, partitions_known_max, brokers_max);
    let times = (max_block, drop_timeout, clock_unset_before);
    let security_protocol = checked.settings.security_protocol;
    format!("{planes:?} {tables:?} {client_id} {security_protocol:?} {ignore_keys} {times:?}")
}

/// Each default that the README tells is the one that counts where nobody sets anything.
#[test]
fn the_readmes_defaults_are_the_builders() {
    let readme = include_str!("../../../../README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with("| Kafka's name |")).skip(2);
    let rows: Vec<Vec<&str>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    assert_eq!(rows.len(), 33);
    let connected = || Settings { bootstrap_servers: vec!["a:1".into()], ..Settings::default() };
    let defaults = shown(connected());
    for row in rows.iter().filter(|row| row[1] != "bootstrap.servers") {
        let mut settings = connected();
        properties::set(&mut settings, row[1], row[3]).unwrap();
        assert_eq!(shown(settings), defaults, "{}", row[1]);
    }
}

#[test]
fn the_link_is_checked() {
    let set =
        |name: &str, value: &str| builder().properties([(name, value)]).map_err(|error| error.to_string());
    for (name, value, part) in [
        ("send.buffer.bytes", "0", "1 to 2147483647"),
        ("receive.buffer.bytes", "2147483648", "1 to 2147483647"),
        ("socket.keepalive.ms", "999", "1000 to 32767000 ms"),
        ("socket.keepalive.ms", "32767001", "1000 to 32767000 ms"),
        ("socket.user.timeout.ms", "2147483648", "1 to 2147483647 ms"),
        ("bandwidth.max.bytes.per.sec", "279000", "279621 to 2147483647 (brokers.max"),
        (
            "proxy.url",
            "ftp://user:secret@proxy:1",
            "proxy.url = [hidden] cannot be used: it must be socks5://",
        ),
    ] {
        let error = refused(set(name, value).unwrap());
        assert!(error.starts_with(name) && error.contains(part) && !error.contains("secret"), "{error}");
    }
    for (name, value, part) in [
        ("client.dns.lookup", "default", "use_all_dns_ips or resolve_canonical_bootstrap_servers_only"),
        ("send.buffer.bytes", "-2", "1 or more, or -1"),
    ] {
        let error = set(name, value).map(drop).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    for (name, value) in [
        ("client.dns.lookup", "resolve_canonical_bootstrap_servers_only"),
        ("send.buffer.bytes", "-1"),
        ("receive.buffer.bytes", "32768"),
        ("socket.keepalive.ms", "0"),
        ("socket.keepalive.ms", "30000"),
        ("socket.user.timeout.ms", "20000"),
        ("bandwidth.max.bytes.per.sec", "0"),
        ("bandwidth.max.bytes.per.sec", "280000"),
        ("proxy.url", ""),
        ("proxy.url", "http://user:secret@proxy:3128"),
    ] {
        set(name, value).unwrap().build().unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
    }
}

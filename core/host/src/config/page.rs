//! `SETTINGS.md` says of each of Java's and librdkafka's settings for producers what it is here. It is made of the tables that
//! answer for these names, so that the page cannot say anything else than the program does.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::{env, fs};

use super::{Builder, Settings, Start, foreign, librdkafka, properties};

const JAVA: &str = include_str!("../../../../tests/golden/config_java431.tsv");
const LIBRDKAFKA: &str = include_str!("../../../../tests/golden/config_librdkafka212.tsv");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../SETTINGS.md");

const HEAD: &str = "# Settings: Java's and librdkafka's, and felice's\n\n\
    A properties file of either client is taken as it is where it says what felice has, and refused with a reason otherwise: nothing is passed\n\
    over. *same* is the same meaning; a default is given where it is another one. With all features; without one its settings are\n\
    refused with the feature that they need. felice's own settings are in the [README](README.md#settings).\n\n\
    This page is made of the tables in `core/host/src/config` (`FELICE_UPDATE=1 cargo test -p felice-tests -p felice-host --lib config::page`).\n";

/// Where the same name has another meaning, or not all of it.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "batch.size",
        "a batch of this size leaves; it grows further, up to `max.request.size`, while it waits for its turn",
    ),
    ("buffer.memory", "all record memory, allocated at once"),
    ("client.id", "at most 64 bytes"),
    ("compression.lz4.level", "9 only: lz4 has no other level here"),
    ("max.in.flight.requests.per.connection", "at most 16; more than 5 are refused with idempotence"),
    ("max.request.size", "also the largest batch; at most half of `buffer.memory`"),
    ("metadata.max.age.ms", "they are asked for only while records are held"),
    ("partitioner", "`murmur2_random`, `consistent_random` and `round_robin` only"),
    ("retries", "1000000 or more only: a record is sent again until `delivery.timeout.ms`"),
    ("sasl.client.callback.handler.class", "taken where it names the class whose work felice does"),
    ("sasl.login.callback.handler.class", "taken where it names the class whose work felice does"),
    ("sasl.oauthbearer.jwt.retriever.class", "taken where it names the class whose work felice does"),
    ("sasl.oauthbearer.token.endpoint.url", "`http` and `https` only"),
    (
        "socket.connection.setup.timeout.ms",
        "for the look-up of a name and all its addresses; it does not grow",
    ),
    ("ssl.key.password", "of PKCS #8 with PBES2"),
    ("ssl.keystore.location", "a PEM file with certificates and key"),
    ("ssl.keystore.type", "PEM only"),
    ("ssl.truststore.location", "a PEM file"),
    ("ssl.truststore.type", "PEM only"),
];

/// The same, where it is librdkafka that is otherwise than Java.
const LIBRDKAFKA_DIFFERENT: &[(&str, &str)] = &[
    ("connections.max.idle.ms", "0 is never there"),
    (
        "request.timeout.ms",
        "there it is how long the broker waits for its replicas, and this is `socket.timeout.ms`",
    ),
    ("ssl.endpoint.identification.algorithm", "what is `none` there is empty here"),
];

struct Nothing;

impl Start for Nothing {
    fn start(_: Settings) -> Result<Self, crate::BuildError> {
        Ok(Self)
    }
}

type Defaults = BTreeMap<String, String>;

/// What counts where nobody sets anything.
fn defaults() -> Defaults {
    let shown = Builder::<Nothing>::new().to_string();
    shown.lines().filter_map(|line| line.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// Names of booleans and numbers that say the same in two ways.
fn is_same(ours: &str, theirs: &str) -> bool {
    let all = ["all", "-1"];
    ours.eq_ignore_ascii_case(theirs) || (all.contains(&ours) && all.contains(&theirs))
}

fn row(page: &mut String, name: &str, default: &str, of: &Defaults, more: &[(&str, &'static str)]) {
    let different = DIFFERENT.iter().chain(more).find(|(known, _)| *known == name).map(|(_, why)| *why);
    let (is, note) = if properties::knows(name) {
        let other = of.get(name).filter(|ours| !ours.is_empty() && !is_same(ours, default));
        let other = other.map(|ours| format!("default `{ours}`, there {}", quoted(default)));
        let notes: Vec<String> = different.map(str::to_owned).into_iter().chain(other).collect();
        (if different.is_some() { "different" } else { "same" }, notes.join("; "))
    } else {
        let reason = librdkafka::reason(name).or_else(|| foreign::reason(name)).unwrap();
        match reason.strip_prefix("here it is ") {
            Some(ours) => ("other name", ours.to_owned()),
            None => ("not there", reason.to_owned()),
        }
    };
    writeln!(page, "| `{name}` | {is} | {note} |").unwrap();
}

fn quoted(default: &str) -> String {
    if default.is_empty() { "none".to_owned() } else { format!("`{default}`") }
}

fn page() -> String {
    let defaults = defaults();
    let mut page = HEAD.to_owned();
    for (title, golden, who, more) in [
        ("Java's producer (4.3.1)", JAVA, ["producer", "producer"], &[][..]),
        ("librdkafka (2.12), what a producer has", LIBRDKAFKA, ["*", "P"], LIBRDKAFKA_DIFFERENT),
    ] {
        write!(page, "\n## {title}\n\n| setting | here | |\n|---|---|---|\n").unwrap();
        for line in golden.lines() {
            let mut cells = line.split('\t');
            let (whose, name) = (cells.next().unwrap(), cells.next().unwrap());
            if who.contains(&whose) {
                row(&mut page, name, cells.next().unwrap_or_default(), &defaults, more);
            }
        }
    }
    page
}

/// With `FELICE_UPDATE=1` it writes the page.
#[test]
fn the_page_says_what_is_so() {
    let made = page();
    if env::var_os("FELICE_UPDATE").is_some() {
        fs::write(PAGE, &made).unwrap();
    }
    assert!(fs::read_to_string(PAGE).unwrap() == made, "FELICE_UPDATE=1 writes SETTINGS.md anew");
    assert!(DIFFERENT.is_sorted_by_key(|(name, _)| *name));
    assert!(
        DIFFERENT
            .iter()
            .all(|(name, _)| properties::knows(name) && made.contains(&format!("| `{name}` | different")))
    );
}

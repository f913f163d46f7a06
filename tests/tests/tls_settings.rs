//! The settings under `ssl.`: what cannot be used is refused by `build`, with the setting's name, what is wrong and what
//! would do, and without a word of any key.

use std::fs;
use std::path::PathBuf;

use felice_blocking::{Producer, SecurityProtocol};
use felice_tests::certificates::{Authority, Identity};

struct Files {
    folder: PathBuf,
    authority: String,
    client: Identity,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("felice-tls-settings-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let authority = Authority::new("authority");
        let client = authority.issue("client", &[]);
        Self { folder, authority: authority.certificate(), client }
    }

    /// The path of a new file.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A name and its value.
type Property<'a> = (&'a str, &'a str);

const SERVERS: Property<'static> = ("bootstrap.servers", "localhost:9093");
const SSL: Property<'static> = ("security.protocol", "SSL");

/// What is said, and that no key is.
fn refused(properties: &[(&str, &str)], files: &Files) -> String {
    let said = match Producer::from_properties(properties.iter().copied()) {
        Ok(_) => panic!("{properties:?} must be refused"),
        Err(error) => format!("{error} {error:?}"),
    };
    let secret = files.client.key.lines().nth(1).unwrap();
    assert!(!said.contains(secret), "{said}");
    said
}

/// A certificate, and its key that OpenSSL has encrypted with `geheim`.
const ENCRYPTED: [Property<'_>; 2] = [
    ("ssl.keystore.certificate.chain", include_str!("../../core/host/src/tls/testdata/certificate.pem")),
    ("ssl.keystore.key", include_str!("../../core/host/src/tls/testdata/aes-256-cbc-pbkdf2-sha256.pem")),
];

#[test]
fn stores_are_pem_in_files_or_in_text() {
    let files = Files::new("good");
    let trusted = files.file("ca.pem", &files.authority);
    let client = files.file("client.pem", files.client.pem());
    let one_line = files.client.certificate.replace('\n', " ");
    for properties in [
        vec![("ssl.truststore.location", trusted.as_str()), ("ssl.truststore.type", "PEM")],
        vec![("ssl.truststore.certificates", files.authority.as_str())],
        vec![
            ("ssl.truststore.location", &trusted),
            ("ssl.keystore.location", &client),
            ("ssl.keystore.type", "pem"),
        ],
        vec![
            ("ssl.truststore.location", &trusted),
            ("ssl.keystore.certificate.chain", &one_line),
            ("ssl.keystore.key", &files.client.key),
            ("ssl.enabled.protocols", "TLSv1.3 , TLSv1.2"),
            ("ssl.endpoint.identification.algorithm", ""),
        ],
        vec![
            ("ssl.truststore.location", &trusted),
            ENCRYPTED[0],
            ENCRYPTED[1],
            ("ssl.key.password", "geheim"),
        ],
        // A key that is not encrypted needs none.
        vec![
            ("ssl.truststore.location", &trusted),
            ("ssl.keystore.location", &client),
            ("ssl.key.password", "geheim"),
        ],
    ] {
        let all = [SERVERS, SSL].into_iter().chain(properties);
        Producer::from_properties(all).unwrap();
    }
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let files = Files::new("bad");
    let trusted = files.file("ca.pem", &files.authority);
    let key_only = files.file("key.pem", &files.client.key);
    let certificate_only = files.file("certificate.pem", &files.client.certificate);
    let strange_key = Authority::new("another").issue("another", &[]).key;
    let mismatch = files.file("mismatch.pem", format!("{strange_key}{}", files.client.certificate));
    let encrypted = files.client.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let encrypted = files.file("encrypted.pem", format!("{encrypted}{}", files.client.certificate));
    let jks = files.file("store.jks", [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]);
    let p12 = files.file("store.p12", [0x30, 0x82, 0x0a, 0x00]);
    let garbage = files.file("garbage.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    let no_certificate =
        files.file("no.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let huge = files.file("huge.pem", vec![b'\n'; 5 << 20]);
    let trust = ("ssl.truststore.location", trusted.as_str());
    let key = ("ssl.keystore.key", files.client.key.as_str());
    let chain = ("ssl.keystore.certificate.chain", files.client.certificate.as_str());
    let cases: &[(&[Property<'_>], &[&str])] = &[
        (&[SSL], &["ssl.truststore.location", "tls-native-roots"]),
        (&[SSL, ("ssl.truststore.location", "/nowhere/ca.pem")], &["/nowhere/ca.pem", "No such file"]),
        (&[SSL, ("ssl.truststore.location", &huge)], &["huge.pem", "at most 4194304 bytes"]),
        (&[SSL, ("ssl.truststore.location", &key_only)], &["key.pem", "certificates", "holds none"]),
        (&[SSL, ("ssl.truststore.location", &jks)], &["store.jks", "keytool", "openssl"]),
        (&[SSL, ("ssl.truststore.location", &p12)], &["store.p12", "keytool", "openssl"]),
        (&[SSL, ("ssl.truststore.location", &garbage)], &["garbage.pem", "PEM"]),
        (&[SSL, ("ssl.truststore.location", &no_certificate)], &["no.pem", "one is none"]),
        (&[SSL, trust, ("ssl.truststore.type", "JKS")], &["ssl.truststore.type", "PEM", "keytool"]),
        (&[SSL, trust, ("ssl.keystore.type", "PKCS12")], &["ssl.keystore.type", "PEM", "keytool"]),
        (
            &[SSL, trust, ("ssl.truststore.certificates", &files.authority)],
            &["ssl.truststore.certificates", "unset where ssl.truststore.location"],
        ),
        (&[SSL, trust, ("ssl.keystore.location", &certificate_only)], &["private key", "holds none"]),
        (&[SSL, trust, ("ssl.keystore.location", &key_only)], &["certificates", "holds none"]),
        (&[SSL, trust, ("ssl.keystore.location", &mismatch)], &["mismatch.pem", "another one's"]),
        (&[SSL, trust, ("ssl.keystore.location", &encrypted)], &["not encrypted", "openssl pkey"]),
        (
            &[SSL, trust, ("ssl.keystore.location", &encrypted), ("ssl.key.password", "hunter2")],
            &["encrypted.pem", "PBES2"],
        ),
        (&[SSL, trust, ENCRYPTED[0], ENCRYPTED[1]], &["ssl.keystore.key", "ssl.key.password is not set"]),
        (
            &[SSL, trust, ENCRYPTED[0], ENCRYPTED[1], ("ssl.key.password", "hunter2")],
            &["ssl.keystore.key", "with another one"],
        ),
        (&[SSL, trust, ("ssl.key.password", "hunter2")], &["ssl.keystore.location is missing"]),
        (&[SSL, trust, ("ssl.keystore.password", "hunter2")], &["ssl.keystore.password"]),
        (&[SSL, trust, key], &["ssl.keystore.certificate.chain is missing"]),
        (&[SSL, trust, chain], &["ssl.keystore.key is missing"]),
        (&[SSL, trust, ("ssl.keystore.location", &mismatch), key], &["ssl.keystore.key", "unset where"]),
        (&[SSL, trust, ("ssl.enabled.protocols", "TLSv1.1")], &["ssl.enabled.protocols", "TLSv1.2, TLSv1.3"]),
        (&[SSL, trust, ("ssl.enabled.protocols", "")], &["ssl.enabled.protocols"]),
        (&[SSL, trust, ("ssl.endpoint.identification.algorithm", "ldaps")], &["identification", "https"]),
        (&[SSL, trust, ("ssl.engine.factory.class", "x.Y")], &["ssl.engine.factory.class", "Java"]),
        (&[trust], &["security.protocol = PLAINTEXT", "ssl.truststore.location"]),
        (&[key, chain], &["security.protocol = PLAINTEXT", "ssl.keystore"]),
    ];
    for (properties, parts) in cases {
        let properties: Vec<(&str, &str)> = [SERVERS].into_iter().chain(properties.iter().copied()).collect();
        let said = refused(&properties, &files);
        for part in *parts {
            assert!(said.contains(part), "{said} lacks {part}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn no_debug_output_shows_a_key() {
    let files = Files::new("debug");
    let builder = Producer::builder()
        .bootstrap_servers("localhost:9093")
        .security_protocol(SecurityProtocol::Ssl)
        .ssl_truststore_certificates(&files.authority)
        .ssl_keystore_certificate_chain(&files.client.certificate)
        .ssl_keystore_key(&files.client.key);
    let secret = files.client.key.lines().nth(1).unwrap();
    assert!(!format!("{builder:#?}").contains(secret));
    let producer = builder.build().unwrap();
    assert!(!format!("{producer:#?}").contains(secret));
}

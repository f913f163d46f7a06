use super::super::SecurityProtocol;
use super::*;
use crate::token::BearerToken;

const PLAIN: &str =
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="geheim";"#;

fn settings(sasl: Sasl, security_protocol: SecurityProtocol) -> Settings {
    Settings { sasl, security_protocol, ..Settings::default() }
}

fn check(sasl: Sasl) -> Result<Option<Authentication>, ConfigError> {
    Sasl::check(&mut settings(sasl, SecurityProtocol::SaslPlaintext))
}

fn of_jaas(mechanism: &str, config: &str) -> Sasl {
    Sasl { mechanism: Some(mechanism.into()), jaas_config: secret(config), ..Sasl::default() }
}

/// What is wrong, and that no secret is told.
fn error(sasl: Sasl) -> String {
    let Err(error) = check(sasl) else { panic!("it is taken") };
    let text = format!("{error} {error:?}");
    assert!(!text.contains("geheim") && !text.contains("alice"), "{text}");
    error.to_string()
}

#[test]
fn each_mechanism_is_taken_in_javas_way_and_in_librdkafkas() {
    let mechanisms: &[&str] =
        if cfg!(feature = "scram") { &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] } else { &["PLAIN"] };
    for mechanism in mechanisms {
        let module = if *mechanism == "PLAIN" { "PlainLoginModule" } else { "ScramLoginModule" };
        let config = PLAIN.replace("PlainLoginModule", module);
        let found = check(of_jaas(mechanism, &config)).unwrap().unwrap();
        assert_eq!(found.mechanism().name(), *mechanism);
        let mut sasl = Sasl::default();
        sasl.set_user(mechanism, "alice", "geheim");
        assert_eq!(check(sasl).unwrap().unwrap().mechanism().name(), *mechanism);
    }
    let mut sasl = Sasl::default();
    sasl.set_provider(Mechanism::OauthBearer, crate::token::provider(|| Ok(BearerToken::new("t"))));
    sasl.jaas_config =
        secret("org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required ;");
    assert!(check(sasl).unwrap().unwrap().provider.is_some());
}

#[test]
fn what_is_missing_or_contradicts_is_refused_by_name() {
    let user = |mechanism: &str| {
        let mut sasl = Sasl::default();
        sasl.set_user(mechanism, "alice", "geheim");
        sasl
    };
    for (sasl, words) in [
        (Sasl::default(), &["sasl.mechanism = GSSAPI", "Kerberos"][..]),
        (user("GSSAPI"), &["sasl.mechanism = GSSAPI", "Kerberos"]),
        (user("PLIAN"), &["sasl.mechanism = PLIAN", "PLAIN"]),
        (user("OAUTHBEARER"), &["sasl.mechanism = OAUTHBEARER", "sasl.username"]),
        (Sasl { username: None, ..user("PLAIN") }, &["sasl.username is missing"]),
        (Sasl { password: None, ..user("PLAIN") }, &["sasl.password is missing"]),
        (Sasl { username: secret(&"u".repeat(256)), ..user("PLAIN") }, &["sasl.username", "256 bytes"]),
        (Sasl { password: secret(""), ..user("PLAIN") }, &["sasl.password", "0 bytes"]),
        (Sasl { jaas_config: secret(PLAIN), ..user("PLAIN") }, &["sasl.jaas.config", "sasl.username"]),
        (of_jaas("PLAIN", "alice geheim"), &["sasl.jaas.config", "control flag"]),
        (
            of_jaas("PLAIN", &PLAIN.replace("Plain", "Scram")),
            &["sasl.jaas.config", "PlainLoginModule", "sasl.mechanism = PLAIN"],
        ),
        (
            of_jaas("OAUTHBEARER", r#"OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="x";"#),
            &["sasl.jaas.config", "without other options than"],
        ),
        (of_jaas("OAUTHBEARER", "OAuthBearerLoginModule required;"), &["sasl_oauth_bearer"]),
    ] {
        let error = error(sasl);
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    #[cfg(not(feature = "scram"))]
    assert!(error(user("SCRAM-SHA-256")).contains("feature `scram`"));
}

/// Amazon's login module needs nothing but the environment, and a function does.
#[cfg(feature = "aws-msk-iam")]
#[test]
fn keys_of_aws_come_from_the_environment_or_a_function() {
    const MODULE: &str = "software.amazon.msk.auth.iam.IAMLoginModule required";
    let function = || crate::token::aws_provider(|| Ok(AwsCredentials::new("A", "geheim")));
    let mut sasl = Sasl::default();
    sasl.set_provider(Mechanism::AwsMskIam, function());
    assert_eq!(check(sasl).unwrap().unwrap().mechanism().name(), "AWS_MSK_IAM");
    let found = check(of_jaas("AWS_MSK_IAM", &format!("{MODULE};"))).unwrap().unwrap();
    assert!(found.provider.is_some());
    let profile = format!(r#"{MODULE} awsProfileName="x";"#);
    assert!(error(of_jaas("AWS_MSK_IAM", &profile)).contains("`sasl_aws_msk_iam`"));
    for mechanism in ["OAUTHBEARER", "PLAIN"] {
        let mut sasl = Sasl::default();
        sasl.set_provider(Mechanism::AwsMskIam, function());
        sasl.mechanism = Some(mechanism.into());
        assert!(error(sasl).contains("must be AWS_MSK_IAM"));
    }
    let mut sasl = Sasl::default();
    sasl.set_user("AWS_MSK_IAM", "alice", "geheim");
    assert!(error(sasl).contains("sasl.username"));
}

#[test]
fn a_user_without_sasl_is_a_mistake() {
    let mut sasl = Sasl::default();
    sasl.set_user("PLAIN", "alice", "geheim");
    let result = Sasl::check(&mut settings(sasl, SecurityProtocol::Ssl));
    let Err(error) = result else { panic!("it is taken") };
    let error = error.to_string();
    assert!(error.starts_with("security.protocol = SSL ") && error.contains("sasl.mechanism"), "{error}");
    assert!(matches!(Sasl::check(&mut Settings::default()), Ok(None)));
}

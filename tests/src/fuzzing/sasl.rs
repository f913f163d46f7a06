//! Whatever a broker says to a client that proves who it is, beside all that brokers say otherwise: no panic, one outcome
//! per record, nothing asked of who could not prove that it is the broker, no password where it is not to be. Once all
//! are honest, nothing waits for ever.

use felice_core::sasl::Token;

use super::answers;
use super::input::Input;
use super::rig::Rig;
use crate::protocol::sasl::{SaslAuthenticateResponse, SaslHandshakeResponse};
use crate::protocol::{ApiKey, ErrorCode, decode_request, decode_response, encode_response};
use crate::simulation::sasl::{Proof, TOKEN};

/// How often all may have their turn before the last record has its outcome.
const ROUNDS_MAX: u32 = 20_000;
/// How long sessions last, in milliseconds.
const LIFETIMES: [i64; 8] = [0, 0, 1_300, 5_000, 1, -1, i64::MAX, i64::MIN];
/// What a server may say, and mostly should not.
const PARTS: [&str; 12] = [
    "i=4095",
    "i=4097",
    "i=65537",
    "i=4294971392",
    "i=99999999999999999999",
    "i=-1",
    "e=invalid-proof",
    "v=AAAA",
    "s=",
    "s=QQ==",
    "m=x",
    "",
];

pub(super) fn run(input: &[u8]) {
    let input = &mut Input::new(input);
    let mut rig = Rig::new(input);
    rig.demand_proof(input.pick(&Proof::ALL), input.pick(&LIFETIMES[..4]));
    for topic in &answers::TOPICS[..2] {
        rig.cluster.create_topic(topic, 1 + input.below(3) as i32);
    }
    for _ in 0..answers::STEPS_MAX {
        if input.is_over() {
            break;
        }
        step(&mut rig, input);
        let words = rig.producer.authentication_words();
        assert!(words.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{words:?}");
    }
    settle(&mut rig);
    rig.finish();
}

fn step(rig: &mut Rig, input: &mut Input<'_>) {
    match input.below(8) {
        0 => hand_over(rig, input),
        1 | 2 => answers::step(rig, input),
        3 => rig.connect(true),
        _ => speak(rig, input),
    }
    rig.turn();
}

/// A token comes, or none, or one that is too long; or one of another cluster's.
fn hand_over(rig: &mut Rig, input: &mut Input<'_>) {
    let Some(connection) = rig.tokens.pop_front() else { return };
    let long = "t".repeat(600);
    let text = input.pick(&[TOKEN, TOKEN, "other", &long]);
    let token = Token::new(text, &[("name", "value")]).expect("visible characters");
    let token = (!input.one_in(4)).then_some(&token);
    let _ = rig.producer.handle_token(rig.now(), connection, token);
    if input.one_in(4) {
        // Nobody waits for it any more.
        let _ = rig.producer.handle_token(rig.now(), connection, token);
    }
}

/// The oldest request of a connection is answered: well, nearly so, or by somebody who knows the protocol and lies.
fn speak(rig: &mut Rig, input: &mut Input<'_>) {
    let Some(slot) = answers::any_link(rig, input) else { return };
    let Some(request) = rig.request(slot, 0).map(<[u8]>::to_vec) else { return };
    let piece = 1 + input.below(64);
    let kind = input.below(4);
    let Some(frame) = rig.answer(slot, 0) else { return };
    let frame = match kind {
        0 => answers::mutated(frame, input),
        1 => lie(&request, &frame, input).unwrap_or(frame),
        _ => frame,
    };
    rig.receive(slot, &frame, piece);
}

/// Another answer to a request of SASL than the proper one.
fn lie(request: &[u8], proper: &[u8], input: &mut Input<'_>) -> Option<Vec<u8>> {
    let (header, _) = decode_request(request).ok()?;
    let version = header.api_version;
    let error_code = ErrorCode(input.pick(&[0, 0, 0, 0, 58, 33, 34, -1]));
    let encoded = if header.api_key == ApiKey::SASL_HANDSHAKE {
        let long = "M".repeat(input.below(300));
        let mechanisms = vec![&*long; input.below(5)];
        encode_response(header.correlation_id, version, &SaslHandshakeResponse { error_code, mechanisms })
    } else if header.api_key == ApiKey::SASL_AUTHENTICATE {
        let (_, proper): (_, SaslAuthenticateResponse<'_>) = decode_response(version, &proper[4..]).ok()?;
        let bytes = bent(proper.auth_bytes, input);
        let long = "\u{1b}\u{fc}\0".repeat(60);
        let error_message = input.pick(&[None, Some("no"), Some(&*long)]);
        let response = SaslAuthenticateResponse {
            error_code,
            error_message,
            auth_bytes: &bytes,
            session_lifetime_ms: input.pick(&LIFETIMES),
        };
        encode_response(header.correlation_id, version, &response)
    } else {
        return None;
    };
    Some(encoded)
}

/// A server's message, of which a part is missing, or says something else.
fn bent(message: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = message.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
    let at = input.below(parts.len());
    match input.below(8) {
        0 => drop(parts.remove(at)),
        1 => parts[at] = input.pick(&PARTS).into(),
        2 => parts[at].extend(input.take(8)),
        3 => parts[at].truncate(input.below(100)),
        4 => parts.swap(0, at),
        5 => parts[at].resize(400 + input.below(200), b'A'),
        6 if !parts[at].is_empty() => {
            let byte = input.below(parts[at].len());
            parts[at][byte] = b'A' + input.below(26) as u8;
        }
        _ => {}
    }
    parts.join(&b',')
}

/// From now on everybody is honest: what was accepted has its outcome in time.
fn settle(rig: &mut Rig) {
    rig.slow = false;
    for _ in 0..ROUNDS_MAX {
        if !rig.connecting.is_empty() || !rig.tokens.is_empty() || is_asked(rig) {
            rig.connect(true);
            while let Some(connection) = rig.tokens.pop_front() {
                let token = Token::new(TOKEN, &[]).expect("visible characters");
                let _ = rig.producer.handle_token(rig.now(), connection, Some(&token));
                rig.turn();
            }
            answers::serve(rig);
        } else if rig.producer.is_empty() {
            return;
        } else {
            assert!(rig.advance_to_due(), "records are held, and nothing is due");
        }
    }
    panic!("records wait for ever: {:?}", rig.producer);
}

fn is_asked(rig: &Rig) -> bool {
    rig.links.keys().any(|slot| rig.request(*slot, 0).is_some())
}

//! OAUTHBEARER's tokens, and what AWS_MSK_IAM signs with: the function that has them, called on a thread that may wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::{error, fmt, panic, thread};

use felice_core::id::ConnectionId;
use felice_core::sasl::Token;
use zeroize::Zeroizing;

#[cfg(feature = "aws-msk-iam")]
use crate::aws::AwsCredentials;

/// A token as it goes to a broker, and SASL extensions (KIP-342). Overwritten when it is dropped.
///
/// ```
/// use felice_host::BearerToken;
///
/// let token = BearerToken::new("eyJhbGciOiJSUzI1NiJ9.e30.c2ln").extension("logicalCluster", "lkc-1");
/// ```
pub struct BearerToken {
    token: Zeroizing<String>,
    extensions: Vec<(String, String)>,
}

impl BearerToken {
    /// A token: visible characters of ASCII, 8,000 at the most.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: Zeroizing::new(token.into()), extensions: Vec::new() }
    }

    /// With one more extension: its name is made of letters.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken([hidden])")
    }
}

/// What a function without a token says.
pub type TokenError = Box<dyn error::Error + Send + Sync>;

/// What a function has: good for all connections that ask at the moment.
pub(crate) enum Proof {
    Bearer(BearerToken),
    #[cfg(feature = "aws-msk-iam")]
    Aws(AwsCredentials),
}

/// The function, by itself or the user's. It may wait, and may panic: that is no token.
pub(crate) type TokenProvider = Arc<dyn Fn() -> Result<Proof, TokenError> + Send + Sync>;

/// A function that has tokens for OAUTHBEARER.
pub(crate) fn provider(
    function: impl Fn() -> Result<BearerToken, TokenError> + Send + Sync + 'static,
) -> TokenProvider {
    Arc::new(move || function().map(Proof::Bearer))
}

/// A function that has what AWS_MSK_IAM signs with.
#[cfg(feature = "aws-msk-iam")]
pub(crate) fn aws_provider(
    function: impl Fn() -> Result<AwsCredentials, TokenError> + Send + Sync + 'static,
) -> TokenProvider {
    Arc::new(move || function().map(Proof::Aws))
}

impl Proof {
    /// Tells what the core takes, or why there is none.
    fn tell(&self, mut each: impl FnMut(Result<&Token<'_>, &str>)) {
        match self {
            Self::Bearer(BearerToken { token, extensions }) => {
                let extensions: Vec<(&str, &str)> =
                    extensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let token = Token::new(token, &extensions).map_err(|error| error.to_string());
                each(token.as_ref().map_err(String::as_str));
            }
            #[cfg(feature = "aws-msk-iam")]
            Self::Aws(credentials) => {
                let token = credentials.token().map_err(|error| error.to_string());
                each(token.as_ref().map_err(String::as_str));
            }
        }
    }
}

/// What has come of a call.
type Answer = Result<Proof, String>;

/// Calls the function. One call at a time: connections that ask meanwhile have the same token, and a function that
/// hangs takes one thread.
pub(crate) struct Tokens {
    provider: Option<TokenProvider>,
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
    waker: Waker,
    /// One for each broker at the most.
    waiting: Vec<ConnectionId>,
    calling: bool,
}

impl Tokens {
    pub(crate) fn new(provider: Option<TokenProvider>, waker: Waker) -> Self {
        let (sender, receiver) = channel();
        Self { provider, sender, receiver, waker, waiting: Vec::new(), calling: false }
    }

    /// A connection needs a token.
    pub(crate) fn ask(&mut self, connection: ConnectionId) {
        // Its broker's former one is gone.
        self.waiting.retain(|other| other.slot != connection.slot);
        self.waiting.push(connection);
        if self.calling {
            return;
        }
        self.calling = true;
        let (sender, waker, provider) = (self.sender.clone(), self.waker.clone(), self.provider.clone());
        let call = move || {
            let call = || match provider {
                Some(provider) => provider().map_err(|error| error.to_string()),
                None => Err("there is no function that has tokens".to_owned()),
            };
            let answer = panic::catch_unwind(panic::AssertUnwindSafe(call));
            let answer = answer.unwrap_or_else(|_| Err("the function that has tokens panicked".to_owned()));
            // Nobody listens any more when the producer was dropped meanwhile.
            if sender.send(answer).is_ok() {
                waker.wake();
            }
        };
        if thread::Builder::new().name("felice-token".into()).spawn(call).is_err() {
            let _ = self.sender.send(Err("there is no thread to ask for a token on".to_owned()));
        }
    }

    /// What the function had, for each connection that waits; or why it had nothing.
    pub(crate) fn poll(&mut self, mut each: impl FnMut(ConnectionId, Result<&Token<'_>, &str>)) -> bool {
        let Ok(answer) = self.receiver.try_recv() else { return false };
        self.calling = false;
        let waiting = std::mem::take(&mut self.waiting);
        let mut tell = |token: Result<&Token<'_>, &str>| waiting.iter().for_each(|id| each(*id, token));
        match &answer {
            Ok(proof) => proof.tell(tell),
            Err(reason) => tell(Err(reason)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    const fn id(slot: u16) -> ConnectionId {
        ConnectionId { slot, generation: 0 }
    }

    /// What comes next, waited for.
    fn next(tokens: &mut Tokens) -> Vec<(u16, Result<(), String>)> {
        let answer = tokens.receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        tokens.sender.send(answer).unwrap();
        let mut told = Vec::new();
        let told_to = |connection: ConnectionId, token: Result<&Token<'_>, &str>| {
            told.push((connection.slot, token.map(drop).map_err(str::to_owned)));
        };
        assert!(tokens.poll(told_to));
        told
    }

    #[test]
    fn who_asks_meanwhile_has_the_same_token() {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let (go, wait) = channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let function = move || {
            CALLS.fetch_add(1, Ordering::SeqCst);
            wait.lock().unwrap().recv()?;
            Ok(BearerToken::new("token").extension("a", "b"))
        };
        let mut tokens = Tokens::new(Some(provider(function)), Waker::noop().clone());
        tokens.ask(id(1));
        tokens.ask(id(2));
        assert!(!tokens.poll(|_, _| panic!("there is none yet")));
        go.send(()).unwrap();
        assert_eq!(next(&mut tokens), [(1, Ok(())), (2, Ok(()))]);
        tokens.ask(id(3));
        go.send(()).unwrap();
        assert_eq!(next(&mut tokens), [(3, Ok(()))]);
        assert_eq!(CALLS.load(Ordering::SeqCst), 2);
    }

    /// Connections are given up and made anew meanwhile: each broker's latest is told, and no more are kept.
    #[test]
    fn a_function_that_hangs_keeps_no_list_that_grows() {
        let (go, wait) = channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let function = move || {
            wait.lock().unwrap().recv()?;
            Ok(BearerToken::new("token"))
        };
        let mut tokens = Tokens::new(Some(provider(function)), Waker::noop().clone());
        for generation in 0..100 {
            tokens.ask(ConnectionId { slot: 1, generation });
            tokens.ask(ConnectionId { slot: 2, generation });
        }
        assert_eq!(tokens.waiting, [1, 2].map(|slot| ConnectionId { slot, generation: 99 }));
        go.send(()).unwrap();
        assert_eq!(next(&mut tokens), [(1, Ok(())), (2, Ok(()))]);
    }

    #[test]
    fn a_function_that_fails_panics_or_has_nonsense_has_no_token() {
        let functions = [
            (Some(provider(|| Err("the server is away".into()))), "the server is away"),
            (Some(provider(|| panic!("on purpose"))), "panicked"),
            (
                Some(provider(|| Ok(BearerToken::new("with blanks")))),
                "the token is empty, or has other characters",
            ),
            (Some(provider(|| Ok(BearerToken::new("token").extension("auth", "x")))), "a SASL extension"),
            (None, "there is no function"),
        ];
        for (function, why) in functions {
            let mut tokens = Tokens::new(function, Waker::noop().clone());
            tokens.ask(id(1));
            let told = next(&mut tokens);
            let [(1, Err(reason))] = &told[..] else { panic!("{told:?}") };
            assert!(reason.contains(why) && !reason.contains("with blanks"), "{reason}");
        }
        assert_eq!(format!("{:?}", BearerToken::new("token")), "BearerToken([hidden])");
    }
}

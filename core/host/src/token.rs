//! OAUTHBEARER's tokens: the user's function that has them, called on a thread that may wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::{error, fmt, panic, thread};

use felice_core::id::ConnectionId;
use felice_core::sasl::Token;
use zeroize::Zeroizing;

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

/// The user's function.
pub(crate) type TokenProvider = Arc<dyn Fn() -> Result<BearerToken, TokenError> + Send + Sync>;

/// It may wait, and may panic: that is no token.
pub(crate) fn provider(
    function: impl Fn() -> Result<BearerToken, TokenError> + Send + Sync + 'static,
) -> TokenProvider {
    Arc::new(function)
}

/// Calls the function. One call at a time: connections that ask meanwhile have the same token, and a function that
/// hangs takes one thread.
pub(crate) struct Tokens {
    provider: Option<TokenProvider>,
    sender: Sender<Option<BearerToken>>,
    receiver: Receiver<Option<BearerToken>>,
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
            let call = || provider.and_then(|provider| provider().ok());
            let token = panic::catch_unwind(panic::AssertUnwindSafe(call)).unwrap_or_default();
            // Nobody listens any more when the producer was dropped meanwhile.
            if sender.send(token).is_ok() {
                waker.wake();
            }
        };
        if thread::Builder::new().name("felice-token".into()).spawn(call).is_err() {
            let _ = self.sender.send(None);
        }
    }

    /// What the function had, for each connection that waits.
    pub(crate) fn poll(&mut self, mut each: impl FnMut(ConnectionId, Option<&Token<'_>>)) -> bool {
        let Ok(token) = self.receiver.try_recv() else { return false };
        self.calling = false;
        let extensions: Vec<(&str, &str)> = token
            .iter()
            .flat_map(|token| &token.extensions)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let token = token.as_ref().and_then(|token| Token::new(&token.token, &extensions).ok());
        for connection in self.waiting.drain(..) {
            each(connection, token.as_ref());
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
    fn next(tokens: &mut Tokens) -> Vec<(u16, bool)> {
        let token = tokens.receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        tokens.sender.send(token).unwrap();
        let mut told = Vec::new();
        assert!(tokens.poll(|connection, token| told.push((connection.slot, token.is_some()))));
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
        assert_eq!(next(&mut tokens), [(1, true), (2, true)]);
        tokens.ask(id(3));
        go.send(()).unwrap();
        assert_eq!(next(&mut tokens), [(3, true)]);
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
        assert_eq!(next(&mut tokens), [(1, true), (2, true)]);
    }

    #[test]
    fn a_function_that_fails_panics_or_has_nonsense_has_no_token() {
        let functions = [
            provider(|| Err("the server is away".into())),
            provider(|| panic!("on purpose")),
            provider(|| Ok(BearerToken::new("with blanks"))),
            provider(|| Ok(BearerToken::new("token").extension("auth", "x"))),
        ];
        for function in functions {
            let mut tokens = Tokens::new(Some(function), Waker::noop().clone());
            tokens.ask(id(1));
            assert_eq!(next(&mut tokens), [(1, false)]);
        }
        let mut tokens = Tokens::new(None, Waker::noop().clone());
        tokens.ask(id(1));
        assert_eq!(next(&mut tokens), [(1, false)]);
        assert_eq!(format!("{:?}", BearerToken::new("token")), "BearerToken([hidden])");
    }
}

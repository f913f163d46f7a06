//! Who the client is: the builder's methods for SASL, each of which replaces what another has set.

use felice_core::sasl::Mechanism;

use super::Builder;
#[cfg(feature = "aws-msk-iam")]
use crate::aws::AwsCredentials;
use crate::token::{self, BearerToken, TokenError};

impl<P> Builder<P> {
    /// SASL with the mechanism PLAIN: `sasl.mechanism`, `sasl.username` and `sasl.password`. Of use inside TLS only
    /// (`security.protocol=SASL_SSL`): everybody on the way can read the password otherwise.
    pub fn sasl_plain(self, user: &str, password: &str) -> Self {
        self.sasl_user("PLAIN", user, password)
    }

    /// SASL with SCRAM-SHA-256: `sasl.mechanism`, `sasl.username` and `sasl.password`. Broker and client prove to each
    /// other that they know the password, and neither tells it.
    #[cfg(feature = "scram")]
    pub fn sasl_scram_sha_256(self, user: &str, password: &str) -> Self {
        self.sasl_user("SCRAM-SHA-256", user, password)
    }

    /// SASL with SCRAM-SHA-512: see [`sasl_scram_sha_256`](Self::sasl_scram_sha_256).
    #[cfg(feature = "scram")]
    pub fn sasl_scram_sha_512(self, user: &str, password: &str) -> Self {
        self.sasl_user("SCRAM-SHA-512", user, password)
    }

    /// SASL with the mechanism OAUTHBEARER. The function has a token for each connection, and again before a session ends
    /// (KIP-368). It runs on a thread of its own, one call at a time, and may wait, for `request.timeout.ms` at the most;
    /// it keeps tokens that are good for more than one connection itself. Where it fails or panics, the connection is
    /// tried again after `reconnect.backoff.ms`, and records wait.
    pub fn sasl_oauth_bearer(
        mut self,
        tokens: impl Fn() -> Result<BearerToken, TokenError> + Send + Sync + 'static,
    ) -> Self {
        self.settings.origins.forget_sasl();
        self.settings.sasl.set_provider(Mechanism::OauthBearer, token::provider(tokens));
        self
    }

    /// SASL with the mechanism OAUTHBEARER, and tokens that felice fetches itself, with the credentials of a client (OIDC,
    /// KIP-768): `sasl.oauthbearer.token.endpoint.url`, `sasl.oauthbearer.client.credentials.client.id` and
    /// `sasl.oauthbearer.client.credentials.client.secret`. A token is kept for four fifths of its life. An endpoint of
    /// `https` needs a feature with TLS, and trusts whom brokers' connections trust (`ssl.truststore.*`).
    #[cfg(feature = "oidc")]
    pub fn sasl_oauth_bearer_oidc(
        mut self,
        token_endpoint_url: &str,
        client_id: &str,
        client_secret: &str,
    ) -> Self {
        self.settings.origins.forget_sasl();
        self.settings.sasl.set_client(token_endpoint_url, client_id, client_secret);
        self
    }

    /// SASL with the mechanism AWS_MSK_IAM, of Amazon MSK. The function has the keys for each connection, and again
    /// before a session ends; it runs as that of [`sasl_oauth_bearer`](Self::sasl_oauth_bearer). Without it, where
    /// `sasl.mechanism` is set to AWS_MSK_IAM, keys are those of the environment
    /// ([`AwsCredentials::from_env`]).
    #[cfg(feature = "aws-msk-iam")]
    pub fn sasl_aws_msk_iam(
        mut self,
        credentials: impl Fn() -> Result<AwsCredentials, TokenError> + Send + Sync + 'static,
    ) -> Self {
        self.settings.origins.forget_sasl();
        self.settings.sasl.set_provider(Mechanism::AwsMskIam, token::aws_provider(credentials));
        self
    }

    fn sasl_user(mut self, mechanism: &str, user: &str, password: &str) -> Self {
        self.settings.origins.forget_sasl();
        self.settings.sasl.set_user(mechanism, user, password);
        self
    }
}

//! The settings of transactions.

use std::time::Duration;

use felice_core::config::Acks;
use felice_core::sender::TRANSACTIONAL_ID_BYTES;

use super::{ConfigError, Settings, millis};

impl Settings {
    /// That a transactional producer is what it must be.
    pub(super) fn check_transactions(&self, idempotence: bool) -> Result<(), ConfigError> {
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(i32::MAX as u64));
        if !(least..=most).contains(&self.transaction_timeout) {
            let range = format!("1 to {} ms", most.as_millis());
            return Err(ConfigError::invalid(
                "transaction.timeout.ms",
                millis(self.transaction_timeout),
                range,
            ));
        }
        let Some(id) = &self.transactional_id else { return Ok(()) };
        if id.is_empty() || id.len() > TRANSACTIONAL_ID_BYTES {
            let limit = format!("1 to {TRANSACTIONAL_ID_BYTES} bytes");
            return Err(ConfigError::invalid("transactional.id", format!("{id:?}"), limit));
        }
        if self.acks != Acks::All {
            let acks = if self.acks == Acks::None { "0" } else { "1" };
            return Err(ConfigError::invalid("acks", acks.into(), "all, with transactional.id".into()));
        }
        if !idempotence {
            let limit = "true, with transactional.id".into();
            return Err(ConfigError::invalid("enable.idempotence", "false".into(), limit));
        }
        #[cfg(feature = "spool")]
        if let Some(directory) = &self.spool.directory {
            let limit = "left out, with transactional.id: a transaction does not outlive its process".into();
            return Err(ConfigError::invalid("spool.dir", format!("{directory:?}"), limit));
        }
        Ok(())
    }
}

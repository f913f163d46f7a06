//! What systemd hears: that the gateway is ready, reloads or ends, and that it is alive. Without systemd nobody is told.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::log;

/// The service manager, where there is one.
#[derive(Debug)]
pub(crate) struct Service {
    watchdog: Option<Duration>,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    /// How often it wants to hear that the gateway is alive: twice in the time after which it would end it.
    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    pub(crate) fn alive(&self) {
        if self.watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
    }

    pub(crate) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    pub(crate) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(problem) = sd_notify::notify(states) {
        log::warn("systemd_not_told", &[("problem", &problem)]);
    }
}

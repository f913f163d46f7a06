//! Without the feature `spool`: none can be asked for.

use std::sync::Arc;
use std::task::Waker;

use crate::clock::Clock;
use crate::config::ConfigError;
use crate::metrics::SpoolLive;
use crate::warning::Warning;

pub(crate) const BATCHES: usize = 0;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpoolSettings(());

#[derive(Clone, Copy, Debug)]
pub(crate) enum SpoolPlan {}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Begun {}

impl SpoolSettings {
    pub(crate) const fn plan(
        self,
        _: (usize, usize),
        _: u32,
        _: (usize, usize),
        _: bool,
        _: Clock,
    ) -> Result<Option<SpoolPlan>, ConfigError> {
        Ok(None)
    }
}

impl Begun {
    pub(crate) fn metrics(&self) -> Arc<SpoolLive> {
        match *self {}
    }
}

impl SpoolPlan {
    pub(crate) fn begin(&self, _: Waker) -> Result<Result<Begun, Warning>, ConfigError> {
        match *self {}
    }
}

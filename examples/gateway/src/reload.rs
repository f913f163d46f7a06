//! SIGHUP: the file is read again. What is wrong with it leaves everything as it is; what has not changed goes on undisturbed, and
//! connections stay open where only the mapping of their lines is another one.

use std::path::Path;

use crate::config::Config;
use crate::http::Http;
use crate::log;
use crate::run::Gateway;

impl Gateway {
    /// Reads the file again.
    pub(crate) fn reload(&mut self, path: &Path) {
        match Config::read(path).and_then(|config| self.apply(config)) {
            Ok(()) => log::info("reloaded", &[("sources", &self.sources.len())]),
            Err(problem) => {
                log::error("reload_refused", &[("problem", &problem), ("settings", &"the old ones stay")]);
            }
        }
    }

    fn apply(&mut self, new: Config) -> Result<(), String> {
        let _ = new.producer.builder().map_err(|problem| problem.to_string())?;
        let http = match new.listen {
            Some(address) if new.listen != self.config.listen => Some(
                Http::start(address, &self.intake, &self.registry)
                    .map_err(|problem| format!("{address}: {problem}"))?,
            ),
            _ => None,
        };
        if new.producer != self.config.producer || new.pattern != self.config.pattern {
            match self.intake.replace(&self.config, &new, &self.registry) {
                Ok(()) => log::info("producer_replaced", &[]),
                Err((problem, true)) => return Err(problem),
                Err((problem, false)) => {
                    // Lines wait, and the watchdog or whoever reads this ends it.
                    return Err(format!(
                        "{problem}; and there is no producer with the old settings any more"
                    ));
                }
            }
        }
        if new.listen != self.config.listen {
            self.http = http;
        }
        self.config = new;
        self.exchange_sources()
    }

    /// Ends sources that are gone or other ones now, tells the rest what becomes of their lines, and begins with new ones.
    fn exchange_sources(&mut self) -> Result<(), String> {
        let wanted = self.config.sources.clone();
        let stays = |running: &crate::sources::Running| {
            wanted.iter().any(|it| {
                (&it.name, &it.input, it.line_bytes_max)
                    == (&running.source.name, &running.source.input, running.source.line_bytes_max)
            })
        };
        let (staying, leaving) = std::mem::take(&mut self.sources).into_iter().partition(stays);
        self.sources = staying;
        self.finish(leaving);
        for source in wanted {
            match self.sources.iter_mut().find(|running| running.source.name == source.name) {
                Some(running) => {
                    running.door.set_mapping(source.mapping.clone());
                    running.source = source;
                }
                None => self.begin(source).map_err(|problem| problem.to_string())?,
            }
        }
        Ok(())
    }
}

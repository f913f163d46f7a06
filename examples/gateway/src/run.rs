//! `gateway run`: the main thread. It starts everything, waits for signals and for sources that end, and ends everything.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use felice_blocking::BuildError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::{Config, Source};
use crate::counters::Registry;
use crate::http::Http;
use crate::intake::{Door, Intake};
use crate::service::Service;
use crate::sources::Running;
use crate::status::Status;
use crate::{DONE, FAILED, LOST, WRONG, log};

/// What the main thread hears of.
#[derive(Debug)]
enum Event {
    Signal(i32),
    /// The source of this number has ended.
    Ended(u64),
}

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) intake: Arc<Intake>,
    pub(crate) registry: Registry,
    pub(crate) sources: Vec<Running>,
    pub(crate) http: Option<Http>,
    events: (Sender<Event>, Receiver<Event>),
    /// How many sources were begun with.
    begun: u64,
    /// A source's thread has died of a fault of the gateway's.
    is_broken: bool,
}

/// The program, from its file to its exit status.
pub(crate) fn main(path: &Path) -> u8 {
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(problem) => return refuse("settings", &problem, WRONG),
    };
    match Gateway::start(config) {
        Ok(mut gateway) => {
            let service = Service::new();
            service.ready();
            gateway.work(path, &service);
            service.stopping();
            gateway.end()
        }
        Err(problem) => {
            let is_setting = problem.downcast_ref::<BuildError>();
            let is_setting = is_setting.is_some_and(|problem| matches!(problem, BuildError::Config(_)));
            refuse("start", &problem.to_string(), if is_setting { WRONG } else { FAILED })
        }
    }
}

fn refuse(what: &'static str, problem: &str, code: u8) -> u8 {
    eprintln!("gateway: {problem}");
    log::error("not_started", &[("what", &what), ("problem", &problem)]);
    code
}

impl Gateway {
    fn start(config: Config) -> Result<Self, Box<dyn std::error::Error>> {
        let events = channel();
        // Before any thread of ours: what comes meanwhile is not lost.
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let told = events.0.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().try_for_each(|signal| told.send(Event::Signal(signal))))?;
        let registry = Registry::default();
        let intake = Arc::new(Intake::new(&config, &registry)?);
        if config.producer.get("spool.dir").is_none() {
            log::warn(
                "no_spool",
                &[("problem", &"without spool.dir in [producer] what is held is lost with the process")],
            );
        }
        let http = config.listen.map(|address| Http::start(address, &intake, &registry)).transpose()?;
        let sources = config.sources.clone();
        let mut gateway =
            Self { config, intake, registry, sources: Vec::new(), http, events, begun: 0, is_broken: false };
        for source in sources {
            gateway.begin(source)?;
        }
        log::info("started", &[("version", &env!("CARGO_PKG_VERSION")), ("sources", &gateway.sources.len())]);
        Ok(gateway)
    }

    /// Begins with a source.
    pub(crate) fn begin(&mut self, source: Source) -> io::Result<()> {
        let door = Door::new(&source.name, source.mapping.clone(), &self.intake, &self.registry)?;
        let (number, ended) = (self.begun, self.events.0.clone());
        self.begun += 1;
        // Nobody listens any more where everything ends.
        let ended = move || drop(ended.send(Event::Ended(number)));
        self.sources.push(Running::start(number, source, door, ended)?);
        Ok(())
    }

    /// Until it is to end: asked to, or with its last source.
    fn work(&mut self, path: &Path, service: &Service) {
        let mut status = Status::new();
        let mut beaten = Instant::now();
        while !self.sources.is_empty() && !self.is_broken {
            let pulse = service.pulse().map(|pulse| pulse.saturating_sub(beaten.elapsed()));
            match self.events.1.recv_timeout(pulse.unwrap_or(Duration::MAX).min(status.due())) {
                Ok(Event::Signal(SIGHUP)) => {
                    service.reloading();
                    self.reload(path);
                    service.ready();
                }
                Ok(Event::Signal(signal)) => {
                    log::info("asked_to_end", &[("signal", &signal)]);
                    break;
                }
                Ok(Event::Ended(number)) => self.gather(number),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if service.pulse().is_some_and(|pulse| beaten.elapsed() >= pulse) {
                service.alive();
                beaten = Instant::now();
            }
            if status.due().is_zero() {
                self.tell(&mut status);
            }
        }
        self.tell(&mut status);
        status.end();
    }

    fn tell(&self, status: &mut Status) {
        if let Some(metrics) = self.intake.metrics() {
            status.tell(&self.registry, metrics);
        }
    }

    /// Puts away a source that has ended, where it is not put away yet.
    fn gather(&mut self, number: u64) {
        if let Some(place) = self.sources.iter().position(|source| source.number == number) {
            let ended = self.sources.remove(place);
            self.put_away(ended);
        }
    }

    fn put_away(&mut self, source: Running) {
        let name = source.source.name;
        if source.thread.join().is_err() {
            log::error("source_broken", &[("source", &name)]);
            self.is_broken = true;
        } else {
            log::info("source_ended", &[("source", &name)]);
        }
    }

    /// Asks these sources to end, and waits until they have; one that waits for the spool itself has the drain limit.
    pub(crate) fn finish(&mut self, sources: Vec<Running>) {
        let deadline = Instant::now() + self.config.drain_timeout;
        sources.iter().for_each(|source| source.door.stop.ask(deadline));
        for source in sources {
            source.door.counters.set_down(None);
            while !source.thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(LOOK);
            }
            if source.thread.is_finished() {
                self.put_away(source);
            } else {
                log::warn("source_left", &[("source", &source.source.name)]);
            }
        }
    }

    /// Ends: sources stop, and what is held is sent, both within the drain limit.
    fn end(mut self) -> u8 {
        let deadline = Instant::now() + self.config.drain_timeout;
        self.sources.iter().for_each(|source| source.door.stop.ask(deadline));
        let mut is_patient = true;
        while is_patient && !self.sources.is_empty() {
            match self.events.1.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended(number)) => self.gather(number),
                Ok(Event::Signal(SIGHUP)) => {}
                // Asked a second time, or the time is over.
                _ => is_patient = false,
            }
        }
        let left =
            if is_patient { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
        let lost = self.close(left);
        log::info("ended", &[("lost", &lost)]);
        match (lost, self.is_broken) {
            (_, true) => FAILED,
            (0, false) => DONE,
            (_, false) => LOST,
        }
    }

    /// Closes the producer in the time that is left, or at once where a signal says so meanwhile.
    fn close(&self, left: Duration) -> u64 {
        let intake = Arc::clone(&self.intake);
        let closing = std::thread::spawn(move || intake.close(left));
        while !closing.is_finished() {
            // The thread closes for all who call it: the shortest time counts.
            if let Ok(Event::Signal(SIGTERM | SIGINT)) = self.events.1.recv_timeout(LOOK) {
                return self.intake.close(Duration::ZERO);
            }
        }
        closing.join().unwrap_or(0)
    }
}

/// How often it is looked whether something has ended.
const LOOK: Duration = Duration::from_millis(20);

//! felice's front-ends.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use felice_blocking::ProducerRecord;
use felice_host::Builder;
use felice_tests::behaviour::{FrontEnd, Handle};
use felice_tests::proxy::Link;

use crate::{Peer, RECORDS, Run, Task, VALUE_BYTES};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Felice<P> {
    bootstrap: String,
    front_end: PhantomData<P>,
}

impl<P> Felice<P> {
    pub(crate) fn new(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned(), front_end: PhantomData }
    }
}

impl<P: FrontEnd> Peer for Felice<P> {
    fn name(&self) -> &'static str {
        if P::NAME == "smol" { "felice-smol" } else { "felice-blocking" }
    }

    fn run(&mut self, task: Task, topic: &str, link: &Link) -> Run {
        let value = [b'x'; VALUE_BYTES];
        let record = ProducerRecord::new(topic, &value[..]);
        let (mut before, mut begun) = (link.turns(), Instant::now());
        let producer: P =
            Builder::new().bootstrap_servers(&self.bootstrap).build().expect("the settings fit");
        if let Task::First | Task::Warm = task {
            producer.send(&record).expect("there is room").get_timeout(PATIENCE).expect("it is stored");
        }
        if let Task::Warm = task {
            (before, begun) = (link.turns(), Instant::now());
        }
        if let Task::Cold | Task::Warm = task {
            for _ in 0..RECORDS {
                producer.send(&record).expect("there is room");
            }
            producer.flush().expect("this is no callback");
            assert_eq!(producer.failed(), 0);
        }
        let run = Run { time: begun.elapsed(), turns: link.turns() - before };
        producer.close(PATIENCE).expect("nothing is left");
        run
    }
}

//! One list of raw request scripts for the simulated cluster and for real Kafka, their answers compared.
//!
//! A [`Script`] sends requests over TCP, byte for byte as it wants, to a broker that it knows only as a [`Target`].
//! What comes back becomes a transcript. Run on both, the two transcripts must be the same in every field, apart from
//! what two clusters can never share (`normalise.rs` says what). A rule enters the simulated cluster with the script that
//! shows it.

mod normalise;
pub mod scripts;
mod session;
mod target;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use session::{Session, Topic};
pub use target::Target;

/// A named list of requests.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The name, also that of its topics.
    pub name: &'static str,
    /// Sends them.
    pub run: fn(&mut Session<'_>),
}

/// A request by the name that its script gave it, and the answer with all its fields, one per line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// What was asked.
    pub label: String,
    /// What came back.
    pub answer: String,
}

/// Where the simulated cluster answers differently from Kafka.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The script.
    pub script: &'static str,
    /// What Kafka answered.
    pub kafka: Option<Step>,
    /// What the simulated cluster answered.
    pub simulated: Option<Step>,
}

impl Script {
    /// What the target answers. A script that cannot go on ends with a step that says so.
    pub fn transcript(&self, target: &dyn Target) -> Vec<Step> {
        let mut session = Session::new(self.name, target);
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.run)(&mut session)));
        let mut steps = session.finish();
        if let Err(panic) = outcome {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let answer = words.unwrap_or_else(|| "a panic without words".to_owned());
            steps.push(Step { label: "the script ended early".to_owned(), answer });
        }
        steps
    }

    /// Runs on both and compares.
    pub fn compare(&self, kafka: &dyn Target, simulated: &dyn Target) -> Vec<Difference> {
        let (kafka, simulated) = (self.transcript(kafka), self.transcript(simulated));
        differences(self.name, &kafka, &simulated)
    }
}

/// The steps in which two transcripts of a script differ.
pub fn differences(script: &'static str, kafka: &[Step], simulated: &[Step]) -> Vec<Difference> {
    (0..kafka.len().max(simulated.len()))
        .map(|n| Difference { script, kafka: kafka.get(n).cloned(), simulated: simulated.get(n).cloned() })
        .filter(|step| step.kafka != step.simulated)
        .collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = Step { label: "(no such step)".to_owned(), answer: String::new() };
        let kafka = self.kafka.as_ref().unwrap_or(&none);
        let simulated = self.simulated.as_ref().unwrap_or(&none);
        writeln!(f, "{}: {}", self.script, kafka.label)?;
        if kafka.label != simulated.label {
            writeln!(f, "    simulated is at another step: {}", simulated.label)?;
        }
        let (left, right): (Vec<_>, Vec<_>) =
            (kafka.answer.lines().collect(), simulated.answer.lines().collect());
        let first = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
        let same_end = left[first..].iter().rev().zip(right[first..].iter().rev());
        let last = same_end.take_while(|(left, right)| left == right).count();
        for (name, lines) in [("Kafka", left), ("simulated", right)] {
            let different = lines[first..lines.len() - last].iter().map(|line| line.trim());
            writeln!(f, "    {name:10}{}", different.collect::<Vec<_>>().join(" "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(answer: &str) -> Step {
        Step { label: "produce".to_owned(), answer: answer.to_owned() }
    }

    #[test]
    fn a_different_field_and_a_missing_step_are_both_told() {
        let kafka = [step("a: 1\nb: 2"), step("a: 1")];
        assert_eq!(differences("script", &kafka, &kafka), []);

        let found = differences("script", &kafka, &[step("a: 1\nb: 3")]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].to_string(), "script: produce\n    Kafka     b: 2\n    simulated b: 3\n");
        assert!(found[1].to_string().contains("no such step"), "{}", found[1]);
    }
}

//! What is subtle between felice's threads, in every order: models for the model checker
//! [loom](https://docs.rs/loom).
//!
//! A model runs felice's own code, copied by `build.rs` with the locks, threads and thread-locals of [`sync`] and
//! [`thread`] in the place of `std`'s. Loom runs it again and again, until each order of what the threads do at these has
//! been seen, up to a number of preemptions where it says so. A thread that is never woken is a deadlock, which loom finds
//! by itself.
//!
//! Each model was seen to fail: what was broken for it stands beside it.
#![cfg(test)]

macro_rules! thread_local {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;)*) => {$(
        $(#[$attribute])*
        static $name: crate::thread::LocalKey<$type> = {
            loom::thread_local! { static KEY: $type = $value; }
            crate::thread::LocalKey(&KEY)
        };
    )*};
}

/// What is copied, and was looked at where it comes from.
#[allow(unused, unreachable_pub, unexpected_cfgs, clippy::all)]
mod copied {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use copied::{host, parker, signal};

mod sync;
mod thread;

mod cell_models;
mod planes;
mod planes_models;
mod signal_models;

/// Runs a model in every order; where `preemptions` says so, in those in which threads are interrupted so often at most,
/// beside where they wait. `LOOM_MAX_PREEMPTIONS` says otherwise.
fn model(preemptions: impl Into<Option<usize>>, code: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions.into());
    builder.max_branches = 20_000;
    let orders = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&orders);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        code();
    });
    println!("{} orders", orders.load(Ordering::Relaxed));
}

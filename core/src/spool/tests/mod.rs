//! The spool over a medium that fails, tears, forgets and reorders, and a model that knows what may be missing.

mod clock;
mod copies;
mod faults;
mod inspect;
mod leftovers;
mod life;
mod loss;
mod medium;
mod model;
mod turns;

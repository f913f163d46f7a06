//! Nothing: what the standard library weighs alone.

fn main() {}

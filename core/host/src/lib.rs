//! What felice's front-ends share on a machine with std.

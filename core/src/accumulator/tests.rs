//! The data plane, one scenario each.

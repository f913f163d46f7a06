//! Runnable programs that show felice.

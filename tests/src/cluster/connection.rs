//! One client's connection: bytes in, bytes out, answers strictly in order.

use crate::protocol::frame::FrameBuffer;

use super::{Cluster, Reply, sasl::Session};

/// A connection to one broker, as a value: what comes from the client goes in by [`Connection::push`], and
/// [`Connection::advance`] gives what goes back.
///
/// As a real broker, it does not begin with a request before the one before it is answered.
#[derive(Debug)]
pub struct Connection {
    broker_id: i32,
    input: FrameBuffer,
    /// An answer that is not due yet.
    held_back: Option<(u64, Vec<u8>)>,
    /// Until when nothing more is read: the client is over its quota.
    muted_until: u64,
    state: State,
    session: Session,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// It owes an answer that will never come.
    Stalled,
    Closed,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// For more bytes of the client.
    Read,
    /// For this time: an answer is due then.
    WaitUntil(u64),
    /// For nothing: the broker closes it, after what it wrote.
    Closed,
}

impl Connection {
    /// A new connection to a broker.
    pub fn new(broker_id: i32) -> Self {
        Self {
            broker_id,
            input: FrameBuffer::new(),
            held_back: None,
            muted_until: 0,
            state: State::Open,
            session: Session::default(),
        }
    }

    /// Bytes of the client, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.push(bytes);
    }

    /// Free room for bytes of the client, never empty; tell [`Connection::filled`] how much of it was used.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// `count` bytes of [`Connection::space`] now hold data.
    pub fn filled(&mut self, count: usize) {
        self.input.filled(count);
    }

    /// Does all that can be done now, and appends what goes to the client to `output`.
    pub fn advance(&mut self, cluster: &mut Cluster, now_us: u64, output: &mut Vec<u8>) -> Progress {
        match self.held_back.take() {
            Some((due_us, frame)) if due_us > now_us => {
                self.held_back = Some((due_us, frame));
                return Progress::WaitUntil(due_us);
            }
            Some((_, frame)) => output.extend_from_slice(&frame),
            None => {}
        }
        while self.state != State::Closed {
            if self.muted_until > now_us {
                return Progress::WaitUntil(self.muted_until);
            }
            let frame = match self.input.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Progress::Read,
                Err(_) => break,
            };
            if self.state == State::Stalled {
                continue;
            }
            match cluster.handle_request_of(&mut self.session, now_us, self.broker_id, frame) {
                Reply::Response { frame, delay_us: 0 } => {
                    output.extend_from_slice(&frame);
                    self.muted_until = now_us + cluster.throttle_us();
                }
                Reply::Response { frame, delay_us } => {
                    let due_us = now_us.saturating_add(delay_us);
                    self.held_back = Some((due_us, frame));
                    self.muted_until = due_us.saturating_add(cluster.throttle_us());
                    return Progress::WaitUntil(due_us);
                }
                Reply::Nothing => {}
                Reply::Stall => self.state = State::Stalled,
                Reply::Close => self.state = State::Closed,
            }
        }
        self.state = State::Closed;
        Progress::Closed
    }
}

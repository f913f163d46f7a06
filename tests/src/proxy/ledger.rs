//! What went over a link, seen from the client's end: bytes, requests, and who waited for whom.

use std::collections::{BTreeMap, VecDeque};

use super::REQUESTS_KEPT;
use super::scanner::{Mark, Scanner};

/// Length, API key, API version and correlation id.
const REQUEST_HEAD_BYTES: usize = 12;
/// Length and correlation id.
const ANSWER_HEAD_BYTES: usize = 8;

/// What went over one connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnectionCounts {
    /// Bytes from the client.
    pub bytes_sent: u64,
    /// Bytes that the client was given.
    pub bytes_received: u64,
    /// Requests by the number of their API.
    pub requests: BTreeMap<i16, u64>,
}

/// A request of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// The connection: an index into [`Link::connections`](super::Link::connections).
    pub connection: usize,
    /// The number of its API.
    pub api_key: i16,
    /// The version of its API.
    pub api_version: i16,
    /// Its length on the wire.
    pub bytes: usize,
    /// The turn that its answer ends.
    pub turn: u32,
}

/// The books of one link.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    turns: u32,
    accounts: Vec<Account>,
    requests: Vec<Request>,
    /// What clients have sent, by connection, where that is kept.
    records: Option<Vec<Vec<u8>>>,
}

/// The books of one connection.
#[derive(Debug)]
struct Account {
    counts: ConnectionCounts,
    /// The turn in which it was opened.
    opened: u32,
    asked: Scanner<REQUEST_HEAD_BYTES>,
    answered: Scanner<ANSWER_HEAD_BYTES>,
    /// Correlation ids and turns of what has no answer yet.
    waiting: VecDeque<(i32, u32)>,
    /// The turn of the answer that is being delivered.
    answer_turn: u32,
}

impl Ledger {
    /// A client has opened a connection. That takes a turn, which ends unseen: a client's first request is the sign.
    pub(super) fn opened(&mut self) -> usize {
        self.accounts.push(Account {
            counts: ConnectionCounts::default(),
            opened: self.turns + 1,
            asked: Scanner::new(),
            answered: Scanner::new(),
            waiting: VecDeque::new(),
            answer_turn: 0,
        });
        self.accounts.len() - 1
    }

    /// A client has sent these bytes.
    pub(super) fn sent(&mut self, connection: usize, mut bytes: &[u8]) {
        if let Some(records) = &mut self.records {
            records.resize_with(records.len().max(connection + 1), Vec::new);
            records[connection].extend_from_slice(bytes);
        }
        let account = &mut self.accounts[connection];
        account.counts.bytes_sent += bytes.len() as u64;
        while let Some(mark) = account.asked.next(&mut bytes) {
            let Mark::Begin(head, frame) = mark else { continue };
            let [_, _, _, _, a, b, c, d, e, f, g, h] = head;
            let turn = self.turns.max(account.opened) + 1;
            let request = Request {
                connection,
                api_key: i16::from_be_bytes([a, b]),
                api_version: i16::from_be_bytes([c, d]),
                bytes: frame,
                turn,
            };
            account.waiting.push_back((i32::from_be_bytes([e, f, g, h]), turn));
            *account.counts.requests.entry(request.api_key).or_default() += 1;
            if self.requests.len() < REQUESTS_KEPT {
                self.requests.push(request);
            }
        }
    }

    /// A client is about to be given these bytes.
    pub(super) fn delivered(&mut self, connection: usize, mut bytes: &[u8]) {
        let account = &mut self.accounts[connection];
        account.counts.bytes_received += bytes.len() as u64;
        while let Some(mark) = account.answered.next(&mut bytes) {
            match mark {
                Mark::Begin([_, _, _, _, a, b, c, d], _) => {
                    // What was asked before and is passed over wants no answer: acks=0.
                    let id = i32::from_be_bytes([a, b, c, d]);
                    while let Some((waiting, turn)) = account.waiting.pop_front() {
                        account.answer_turn = turn;
                        if waiting == id {
                            break;
                        }
                    }
                }
                Mark::End => self.turns = self.turns.max(account.answer_turn),
            }
        }
    }

    /// Keeps what comes from now on.
    pub(super) fn record(&mut self) {
        self.records = Some(Vec::new());
    }

    /// What was kept; no more is.
    pub(super) fn recorded(&mut self) -> Vec<Vec<u8>> {
        self.records.take().unwrap_or_default()
    }

    pub(super) const fn turns(&self) -> u32 {
        self.turns
    }

    pub(super) fn connections(&self) -> Vec<ConnectionCounts> {
        self.accounts.iter().map(|account| account.counts.clone()).collect()
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(api_key: u8, id: u8) -> [u8; 13] {
        [0, 0, 0, 9, 0, api_key, 0, 4, 0, 0, 0, id, 7]
    }

    fn answer(id: u8) -> [u8; 9] {
        [0, 0, 0, 5, 0, 0, 0, id, 7]
    }

    #[test]
    fn what_is_pipelined_shares_a_turn_and_what_waits_takes_another() {
        let mut ledger = Ledger::default();
        let first = ledger.opened();
        ledger.sent(first, &[request(18, 0), request(3, 1)].concat());
        ledger.delivered(first, &answer(0));
        assert_eq!(ledger.turns(), 2, "one for the connection, one for the answer");
        // Asked before the second answer, behind the first one.
        ledger.sent(first, &request(22, 2));
        ledger.delivered(first, &answer(1));
        assert_eq!(ledger.turns(), 2);
        ledger.delivered(first, &answer(2)[..8]);
        assert_eq!(ledger.turns(), 2, "an answer counts when all of it is there");
        ledger.delivered(first, &answer(2)[8..]);
        assert_eq!(ledger.turns(), 3);

        let second = ledger.opened();
        ledger.sent(second, &request(18, 0));
        ledger.delivered(second, &answer(0));
        assert_eq!(ledger.turns(), 5, "a connection and an answer more");
        let turns: Vec<_> = ledger.requests().iter().map(|request| (request.api_key, request.turn)).collect();
        assert_eq!(turns, [(18, 2), (3, 2), (22, 3), (18, 5)]);
        let counts = &ledger.connections()[first];
        assert_eq!((counts.bytes_sent, counts.bytes_received), (39, 27));
        assert_eq!(counts.requests, BTreeMap::from([(3, 1), (18, 1), (22, 1)]));
    }

    #[test]
    fn a_request_without_an_answer_is_passed_over() {
        let mut ledger = Ledger::default();
        let connection = ledger.opened();
        ledger.sent(connection, &[request(0, 0), request(0, 1), request(3, 2)].concat());
        ledger.delivered(connection, &answer(2));
        assert_eq!(ledger.turns(), 2);
    }
}

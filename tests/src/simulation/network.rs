//! The network between clients and brokers: links whose two directions delay, break at any byte, or swallow everything
//! without a word. Within a direction bytes keep their order; between links nothing keeps any.

use std::collections::VecDeque;

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;

use super::agenda::{Agenda, Event};
use super::dice::Dice;
use super::plan::NetworkPlan;
use crate::cluster::Connection;

/// No broker's id.
pub(super) const NOBODY: i32 = -1;

/// What comes out of a direction.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// There is no more: the other side is gone.
    End(Disconnect),
}

/// One direction of a link.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pieces: VecDeque<(u64, Piece)>,
    /// When the last piece arrives.
    last: u64,
    /// Bytes that are under way.
    pub(super) bytes: usize,
    /// How many more bytes come through before the link breaks.
    cut_after: Option<usize>,
    /// What a byte takes, in nanoseconds.
    byte_ns: u64,
}

impl Pipe {
    /// As [`arrived`](Self::arrived), but no more bytes than that: the rest stays where it is.
    pub(super) fn arrived_of(&mut self, now: u64, most: usize) -> Option<Piece> {
        if let Some((at, Piece::Bytes(bytes))) = self.pieces.front_mut()
            && *at <= now
            && bytes.len() > most
        {
            let rest = bytes.split_off(most);
            let head = std::mem::replace(bytes, rest);
            self.bytes -= head.len();
            return Some(Piece::Bytes(head));
        }
        self.arrived(now)
    }

    /// A reset takes along the end of what is under way, from any byte on.
    fn lose_end(&mut self, dice: &mut Dice) {
        if let Some((_, Piece::Bytes(bytes))) = self.pieces.back_mut() {
            let kept = dice.below(bytes.len() as u64 + 1) as usize;
            self.bytes -= bytes.len() - kept;
            bytes.truncate(kept);
        }
    }

    /// Whether something has arrived.
    pub(super) fn has_arrived(&self, now: u64) -> bool {
        self.pieces.front().is_some_and(|(at, _)| *at <= now)
    }

    /// The next piece that has arrived.
    pub(super) fn arrived(&mut self, now: u64) -> Option<Piece> {
        if self.pieces.front()?.0 > now {
            return None;
        }
        let (_, piece) = self.pieces.pop_front()?;
        if let Piece::Bytes(bytes) = &piece {
            self.bytes -= bytes.len();
        }
        Some(piece)
    }
}

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not made yet.
    Connecting,
    Open,
    /// It looks open, and nothing comes through.
    Silent,
    Closed,
}

/// A socket of a client, and what it is connected to.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: usize,
    pub(super) connection: ConnectionId,
    pub(super) broker_id: i32,
    pub(super) state: State,
    pub(super) broker: Connection,
    /// The broker's process has ended since: what is on its way reaches nobody.
    pub(super) orphaned: bool,
    pub(super) to_broker: Pipe,
    pub(super) to_client: Pipe,
}

/// All links that there ever were.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) links: Vec<Link>,
    plan: NetworkPlan,
    dice: Dice,
    /// The first link breaks after so many bytes towards the broker, towards the client.
    pub(super) first_cut: (Option<usize>, Option<usize>),
    /// New links break after so many bytes at most, one in two of them.
    pub(super) fragile: Option<u64>,
    /// Of three new links one is silent, or never made.
    pub(super) silent: bool,
    /// All connections are refused.
    pub(super) refusing: bool,
    /// No name can be resolved.
    pub(super) nameless: bool,
    /// Of three names one is resolved to where any broker listens, or nobody.
    pub(super) misdirecting: bool,
    /// The ids of those that there are.
    pub(super) brokers: Vec<i32>,
    /// Brokers read so many bytes at once, and then nothing for so many microseconds.
    pub(super) slow: Option<(usize, u64)>,
}

impl Network {
    pub(super) fn new(plan: NetworkPlan, dice: Dice, brokers: i32) -> Self {
        Self {
            links: Vec::new(),
            plan,
            dice,
            first_cut: (None, None),
            fragile: None,
            silent: false,
            refusing: false,
            nameless: false,
            misdirecting: false,
            brokers: (1..=brokers).collect(),
            slow: None,
        }
    }

    /// Nothing goes wrong any more with new links; those that are silent stay so.
    pub(super) fn calm(&mut self) {
        self.fragile = None;
        (self.silent, self.refusing, self.nameless) = (false, false, false);
        (self.misdirecting, self.slow) = (false, None);
    }

    /// Begins to connect; `Event::Connect` says how it went.
    pub(super) fn connect(
        &mut self,
        now: u64,
        agenda: &mut Agenda,
        client: usize,
        connection: ConnectionId,
        mut broker_id: i32,
    ) -> usize {
        let index = self.links.len();
        if self.misdirecting && self.dice.one_in(3) {
            let any = self.dice.between(0, self.brokers.len() as u64) as usize;
            broker_id = any.checked_sub(1).map_or(NOBODY, |index| self.brokers[index]);
        }
        let cut = |dice: &mut Dice, fragile: Option<u64>| {
            fragile.filter(|_| dice.one_in(2)).map(|most| dice.magnitude(1, most) as usize)
        };
        let first = std::mem::take(&mut self.first_cut);
        let slowest = self.plan.byte_ns;
        let pipe = |dice: &mut Dice, cut_after| {
            let byte_ns = dice.magnitude(1, slowest);
            Pipe { cut_after, byte_ns, ..Pipe::default() }
        };
        let cuts = [first.0, first.1].map(|first| first.or_else(|| cut(&mut self.dice, self.fragile)));
        let [to_broker, to_client] = cuts.map(|cut| pipe(&mut self.dice, cut));
        let broker = Connection::new(broker_id);
        let state = State::Connecting;
        let orphaned = false;
        self.links.push(Link {
            client,
            connection,
            broker_id,
            state,
            broker,
            orphaned,
            to_broker,
            to_client,
        });
        let never = self.silent && self.dice.one_in(4);
        if !never {
            let delay = 2 * self.delay();
            agenda.add(now + delay, Event::Connect(index));
        }
        index
    }

    /// The connection is made, and may be a silent one.
    pub(super) fn open(&mut self, link: usize) {
        let silent = self.silent && self.dice.one_in(3);
        self.links[link].state = if silent { State::Silent } else { State::Open };
    }

    /// Bytes from the client, or its end.
    pub(super) fn send_to_broker(&mut self, now: u64, agenda: &mut Agenda, link: usize, piece: Piece) {
        let delay = self.delay();
        let Link { to_broker, to_client, state, .. } = &mut self.links[link];
        if *state != State::Open {
            // What a silent link swallows stays in the socket's buffer: no acknowledgement comes.
            if let (State::Silent, Piece::Bytes(bytes)) = (*state, &piece) {
                to_broker.bytes += bytes.len();
            }
            return;
        }
        if let Some(at) = push(to_broker, now, delay, piece) {
            agenda.add(at, Event::ToBroker(link));
        }
        if to_broker.cut_after == Some(0) {
            // The client hears of it later.
            to_broker.cut_after = None;
            let at = push(to_client, now, 2 * delay, Piece::End(Disconnect::Failed));
            agenda.add(at.unwrap_or(now), Event::ToClient(link));
            *state = State::Closed;
        }
    }

    /// Bytes from the broker, or its end.
    pub(super) fn send_to_client(&mut self, now: u64, agenda: &mut Agenda, link: usize, piece: Piece) {
        let delay = self.delay();
        let Link { to_client, state, .. } = &mut self.links[link];
        if *state != State::Open {
            return;
        }
        let ends = matches!(piece, Piece::End(_));
        if let Some(at) = push(to_client, now, delay, piece) {
            agenda.add(at, Event::ToClient(link));
        }
        if to_client.cut_after == Some(0) {
            to_client.cut_after = None;
            let at = push(to_client, now, delay, Piece::End(Disconnect::Closed));
            agenda.add(at.unwrap_or(now), Event::ToClient(link));
            *state = State::Closed;
        } else if ends {
            *state = State::Closed;
        }
    }

    /// A broker's process ends, and with it its side of every link.
    pub(super) fn broker_stopped(&mut self, now: u64, agenda: &mut Agenda, broker_id: i32, silently: bool) {
        self.broker_gone(now, agenda, broker_id, silently);
        for link in self.links.iter_mut().filter(|link| link.broker_id == broker_id) {
            link.orphaned |= link.state != State::Connecting;
        }
    }

    /// A broker's place is taken by another one, or is empty: whoever is just connecting there finds that out.
    pub(super) fn broker_replaced(&mut self, old: i32, new: i32, at_its_address: bool) {
        self.brokers.iter_mut().filter(|id| **id == old).for_each(|id| *id = new);
        let there = if at_its_address { new } else { NOBODY };
        let coming = |link: &&mut Link| link.broker_id == old && link.state == State::Connecting;
        for link in self.links.iter_mut().filter(coming) {
            (link.broker_id, link.broker) = (there, Connection::new(there));
        }
    }

    /// Every link to a broker ends: with a word to the clients, or without one.
    pub(super) fn broker_gone(&mut self, now: u64, agenda: &mut Agenda, broker_id: i32, silently: bool) {
        for link in 0..self.links.len() {
            let Link { broker_id: to, state, .. } = self.links[link];
            if to == broker_id && state == State::Open {
                if silently {
                    self.links[link].state = State::Silent;
                } else {
                    if self.dice.one_in(2) {
                        self.links[link].to_client.lose_end(&mut self.dice);
                    }
                    self.send_to_client(now, agenda, link, Piece::End(Disconnect::Failed));
                }
            }
        }
    }

    /// How long a piece takes.
    fn delay(&mut self) -> u64 {
        self.plan.latency_us + self.dice.below(self.plan.jitter_us)
    }
}

/// Puts a piece on its way, as much of it as comes through: when it arrives, if anything does.
fn push(pipe: &mut Pipe, now: u64, delay: u64, piece: Piece) -> Option<u64> {
    let piece = match piece {
        Piece::Bytes(mut bytes) => {
            if let Some(left) = &mut pipe.cut_after {
                bytes.truncate(*left);
                *left -= bytes.len();
            }
            if bytes.is_empty() {
                return None;
            }
            pipe.bytes += bytes.len();
            Piece::Bytes(bytes)
        }
        end => end,
    };
    let length = if let Piece::Bytes(bytes) = &piece { bytes.len() as u64 } else { 0 };
    let at = pipe.last.max(now + delay) + length * pipe.byte_ns / 1_000;
    pipe.last = at;
    pipe.pieces.push_back((at, piece));
    Some(at)
}

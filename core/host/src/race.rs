//! The addresses of one name, tried side by side (RFC 8305): each has a head start before the next one, families take
//! turns, and the first that is connected is taken. So an address that leads nowhere costs a quarter of a second.
//!
//! What has connected and then said nothing is remembered by the [`Past`] of its broker, and comes last the next time. It
//! never opens more than [`RACERS_MAX`] sockets at once, whatever a name server says.

use std::net::SocketAddr;
use std::time::Duration;

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;
use felice_core::time::Instant;

use crate::socket_options::SocketOptions;
use crate::transport::Socket;

/// How long an address is alone before the next one is tried beside it: RFC 8305's recommendation.
const HEAD_START: Duration = Duration::from_millis(250);

/// Sockets at once. Where a name has more addresses, the one that has waited longest makes room for the next one.
const RACERS_MAX: usize = 8;

/// Addresses that are remembered for a broker.
const SILENT_MAX: usize = 16;

/// Sockets that are being connected, one for each address that was tried.
pub(crate) struct Race<S> {
    racing: Vec<(SocketAddr, S)>,
    /// Addresses that have not been tried, the next one last.
    waiting: Vec<SocketAddr>,
    /// When the next one is tried although none has failed.
    pub(crate) next_at: Option<Instant>,
}

/// What a socket is opened with.
pub(crate) struct Opening<'a, R> {
    pub(crate) reactor: &'a R,
    pub(crate) id: ConnectionId,
    pub(crate) options: &'a SocketOptions,
}

impl<S: Socket> Race<S> {
    /// Begins with the first address that does not fail at once.
    pub(crate) fn begin(
        mut addresses: Vec<SocketAddr>,
        opening: &Opening<'_, S::Reactor>,
        now: Instant,
    ) -> Result<Self, Disconnect> {
        addresses.reverse();
        let mut race = Self { racing: Vec::new(), waiting: addresses, next_at: None };
        race.go_on(opening, now)?;
        Ok(race)
    }

    /// The next address joins. Those that fail at once make room for the one behind them.
    pub(crate) fn go_on(
        &mut self,
        opening: &Opening<'_, S::Reactor>,
        now: Instant,
    ) -> Result<(), Disconnect> {
        while let Some(address) = self.waiting.pop() {
            if let Ok(socket) = S::connect(opening.reactor, opening.id, address, opening.options) {
                if self.racing.len() == RACERS_MAX {
                    self.racing.remove(0);
                }
                self.racing.push((address, socket));
                break;
            }
        }
        self.next_at = (!self.waiting.is_empty()).then(|| now + HEAD_START);
        if self.racing.is_empty() { Err(Disconnect::Refused) } else { Ok(()) }
    }

    /// Looks at all of them, since an event does not tell which one it is about. The first that is connected has won; the
    /// others are closed with the race. Where one has failed the next one joins at once.
    pub(crate) fn poll(
        &mut self,
        opening: &Opening<'_, S::Reactor>,
        now: Instant,
    ) -> Result<Option<(SocketAddr, S)>, Disconnect> {
        let before = self.racing.len();
        let mut place = 0;
        while let Some((_, socket)) = self.racing.get_mut(place) {
            match poll_connected(socket) {
                Ok(true) => return Ok(Some(self.racing.swap_remove(place))),
                Ok(false) => place += 1,
                Err(_) => drop(self.racing.remove(place)),
            }
        }
        if self.racing.len() < before {
            self.go_on(opening, now)?;
        }
        Ok(None)
    }
}

fn poll_connected<S: Socket>(socket: &mut S) -> std::io::Result<bool> {
    let connected = socket.poll_connected()?;
    if connected {
        socket.await_more()?;
    }
    Ok(connected)
}

/// Which of a broker's addresses have connected and then said nothing, the latest one last.
#[derive(Debug, Default)]
pub(crate) struct Past(Vec<SocketAddr>);

impl Past {
    /// A connection to this address is over: whether anything was heard from there.
    pub(crate) fn note(&mut self, address: SocketAddr, heard: bool) {
        self.0.retain(|known| *known != address);
        if !heard {
            if self.0.len() == SILENT_MAX {
                self.0.remove(0);
            }
            self.0.push(address);
        }
    }

    /// The order in which addresses are tried: families take turns, beginning with that of the system's first one, and
    /// those that were silent come last.
    pub(crate) fn order(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let (mut these, mut others) = (Vec::new(), Vec::new());
        for address in addresses {
            if address.is_ipv6() == first { these.push(*address) } else { others.push(*address) }
        }
        let (mut these, mut others) = (these.into_iter(), others.into_iter());
        let mut ordered = Vec::with_capacity(addresses.len());
        while ordered.len() < addresses.len() {
            ordered.extend(these.next());
            ordered.extend(others.next());
        }
        // Stable: what was never silent keeps its turn.
        ordered
            .sort_by_key(|address| self.0.iter().position(|silent| silent == address).map_or(0, |at| at + 1));
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_from_the_systems_first() {
        let six = ["[fd::1]:1", "[fd::2]:1", "[fd::3]:1"];
        let four = ["10.0.0.1:1", "10.0.0.2:1"];
        let found = addresses(&[six[0], six[1], six[2], four[0], four[1]]);
        let expected = addresses(&[six[0], four[0], six[1], four[1], six[2]]);
        assert_eq!(Past::default().order(&found), expected);
        let found = addresses(&[four[0], four[1], six[0]]);
        assert_eq!(Past::default().order(&found), addresses(&[four[0], six[0], four[1]]));
        assert!(Past::default().order(&[]).is_empty());
    }

    #[test]
    fn who_was_silent_comes_last_until_it_is_heard_from() {
        let list = addresses(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        let mut past = Past::default();
        past.note(list[0], false);
        assert_eq!(past.order(&list), [list[1], list[2], list[0]]);
        past.note(list[1], false);
        assert_eq!(
            past.order(&list),
            [list[2], list[0], list[1]],
            "the one that was silent longest ago is first"
        );
        past.note(list[0], false);
        assert_eq!(past.order(&list), [list[2], list[1], list[0]]);
        past.note(list[0], true);
        assert_eq!(past.order(&list), [list[0], list[2], list[1]]);
        for port in 1..=100 {
            past.note(SocketAddr::from(([10, 0, 0, 1], port)), false);
        }
        assert_eq!(past.0.len(), SILENT_MAX);
    }
}

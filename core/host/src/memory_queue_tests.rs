use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use felice_core::id::TopicId;

use super::*;

/// What each of them waits for.
const MEMORY: Shortage = Shortage::Memory { blocks: 1 };

/// Every share has room.
fn any(_: TopicPartition) -> bool {
    true
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct One {
    count: Arc<Count>,
    waker: Waker,
}

impl One {
    fn new() -> Self {
        let count = Arc::new(Count::default());
        Self { waker: Arc::clone(&count).into(), count }
    }

    fn woken(&self) -> usize {
        self.count.0.swap(0, Ordering::Relaxed)
    }
}

fn wake(code: impl FnOnce(&mut Vec<Waker>)) {
    let mut wakers = Vec::new();
    code(&mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn the_first_is_served_first_and_passes_its_turn_on() {
    let mut queue = MemoryQueue::default();
    let ones: Vec<One> = (0..3).map(|_| One::new()).collect();
    assert!(queue.is_open());
    let places: Vec<Place> = ones.iter().map(|one| queue.enter(&one.waker, MEMORY)).collect();
    assert!(!queue.is_open(), "a newcomer has to queue");
    assert!(queue.is_turn(&places[0], 1) && !queue.is_turn(&places[1], 1));

    wake(|wakers| queue.freed(1, any, wakers));
    assert_eq!([ones[0].woken(), ones[1].woken(), ones[2].woken()], [1, 0, 0]);
    // It is not enough for the first: nobody overtakes it.
    wake(|wakers| queue.stay(&places[0], &ones[0].waker, MEMORY, 1, any, wakers));
    assert_eq!(ones[1].woken(), 0);
    wake(|wakers| queue.leave(&places[0], 1, any, wakers));
    assert_eq!([ones[1].woken(), ones[2].woken()], [1, 0]);
    assert!(queue.is_turn(&places[1], 1));
}

#[test]
fn one_that_gives_up_passes_its_turn_on_only_if_it_had_it() {
    let mut queue = MemoryQueue::default();
    let ones: Vec<One> = (0..3).map(|_| One::new()).collect();
    let places: Vec<Place> = ones.iter().map(|one| queue.enter(&one.waker, MEMORY)).collect();
    wake(|wakers| queue.leave(&places[1], 1, any, wakers));
    assert_eq!([ones[0].woken(), ones[2].woken()], [0, 0]);
    wake(|wakers| queue.leave(&places[0], 1, any, wakers));
    assert_eq!(ones[2].woken(), 1);
    wake(|wakers| queue.leave(&places[0], 1, any, wakers));
    wake(|wakers| queue.leave(&places[2], 1, any, wakers));
    assert!(queue.is_open());
}

#[test]
fn a_partition_over_its_share_does_not_stop_the_others() {
    let mut queue = MemoryQueue::default();
    let (dead, first, second) = (One::new(), One::new(), One::new());
    let at_dead = queue.enter(&dead.waker, MEMORY);
    let at_first = queue.enter(&first.waker, MEMORY);
    let at_second = queue.enter(&second.waker, MEMORY);
    // There is memory, but not for the one in front.
    wake(|wakers| queue.stay(&at_dead, &dead.waker, Shortage::Share(None), 1, any, wakers));
    assert_eq!([first.woken(), second.woken()], [1, 0]);
    assert!(queue.is_turn(&at_dead, 1) && queue.is_turn(&at_first, 1) && !queue.is_turn(&at_second, 1));
    wake(|wakers| queue.freed(1, any, wakers));
    assert_eq!([dead.woken(), first.woken(), second.woken()], [1, 0, 0], "the first was woken before");
    wake(|wakers| queue.leave(&at_first, 1, any, wakers));
    wake(|wakers| queue.leave(&at_second, 1, any, wakers));
    assert!(queue.is_open(), "a newcomer for another partition may try at once");
    wake(|wakers| queue.stay(&at_dead, &dead.waker, MEMORY, 1, any, wakers));
    assert!(!queue.is_open());
}

#[test]
fn who_has_had_its_share_is_woken_when_there_is_room_in_it() {
    let mut queue = MemoryQueue::default();
    let [dead, alive, any_partition, memory, behind] = [(); 5].map(|()| One::new());
    let partition = |partition| TopicPartition { topic: TopicId(0), partition };
    queue.enter(&dead.waker, Shortage::Share(Some(partition(0))));
    queue.enter(&alive.waker, Shortage::Share(Some(partition(1))));
    queue.enter(&any_partition.waker, Shortage::Share(None));
    let at_memory = queue.enter(&memory.waker, MEMORY);
    queue.enter(&behind.waker, Shortage::Share(Some(partition(1))));
    let has_share = |asked: TopicPartition| asked.partition == 1;
    let woken = || [&dead, &alive, &any_partition, &memory, &behind].map(One::woken);
    wake(|wakers| queue.freed(1, has_share, wakers));
    assert_eq!(woken(), [0, 1, 1, 1, 0]);
    wake(|wakers| queue.leave(&at_memory, 1, has_share, wakers));
    assert_eq!(woken(), [0, 0, 0, 0, 1], "behind the one that waited for free blocks");
}

#[test]
fn where_there_is_room_for_all_nobody_waits_for_another() {
    let mut queue = MemoryQueue::default();
    let ones: Vec<One> = (0..4).map(|_| One::new()).collect();
    let large = Shortage::Memory { blocks: 3 };
    let places: Vec<Place> = [MEMORY, MEMORY, large, MEMORY]
        .iter()
        .zip(&ones)
        .map(|(it, one)| queue.enter(&one.waker, *it))
        .collect();
    let woken = || ones.iter().map(One::woken).collect::<Vec<_>>();
    wake(|wakers| queue.freed(4, any, wakers));
    assert_eq!(woken(), [1, 1, 0, 0], "the third takes three, and the fourth does not overtake it");
    assert!(queue.is_turn(&places[1], 4) && !queue.is_turn(&places[2], 4) && !queue.is_turn(&places[3], 4));
    assert!(!queue.has_room(6, 1) && queue.has_room(7, 1) && !queue.has_room(7, 2));

    // Who was woken and has not tried yet is not woken again, and who tried is.
    queue.rewake(&places[1], &ones[1].waker);
    wake(|wakers| queue.freed(6, any, wakers));
    assert_eq!(woken(), [0, 1, 1, 1]);
    wake(|wakers| queue.leave(&places[0], 5, any, wakers));
    wake(|wakers| queue.leave(&places[2], 2, any, wakers));
    assert_eq!(woken(), [0; 4]);
    assert!(queue.has_room(3, 1) && !queue.has_room(2, 1));
}

#[test]
fn a_waker_can_change_and_closing_wakes_all() {
    let mut queue = MemoryQueue::default();
    let (old, new, other) = (One::new(), One::new(), One::new());
    let place = queue.enter(&old.waker, MEMORY);
    queue.enter(&other.waker, Shortage::Share(None));
    queue.rewake(&place, &new.waker);
    wake(|wakers| queue.wake_all(wakers));
    assert_eq!([old.woken(), new.woken(), other.woken()], [0, 1, 1]);
}

#[test]
fn who_waits_allocates_nothing() {
    let (mut queue, one) = (MemoryQueue::default(), One::new());
    let room = queue.waiters.capacity();
    for _ in 0..WAITERS {
        queue.enter(&one.waker, MEMORY);
    }
    assert!(room >= WAITERS && queue.waiters.capacity() == room);
}

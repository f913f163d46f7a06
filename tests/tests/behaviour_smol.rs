//! The behaviour suite with the smol front-end. Dropping its producer waits for nothing, and a future can be
//! awaited in a callback: what is promised there instead is in `smol_room.rs`.

use felice_smol::Producer;
use felice_tests::behaviour_of_every_front_end;

behaviour_of_every_front_end!(Producer);

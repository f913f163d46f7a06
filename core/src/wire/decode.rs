//! The resumable decoder: walks an answer's table and tells what it reads, field by field.
//!
//! The input may be cut at every byte; the items are the same. Whatever the bytes are, a push ends: every step consumes
//! input or goes on in the table, and an array has at most as many elements as bytes are left. The stack is as deep as
//! the table, and nothing is allocated.

use super::gather::{Gather, Stop, TEXT_BYTES_MAX};
use super::item::{Item, Progress, Sink, Value};
use super::schema::{DEPTH, Op, Row};
use super::{ApiKey, Field};
use crate::error::ProtocolError;

/// An array or structure that is being read; the answer itself is the outermost.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Elements that are not complete, this one included.
    elements: u32,
    /// What is left of the answer where it must have ended.
    end: u32,
    /// Tagged fields of this element that have not begun.
    tags: u16,
    /// The row at which it is.
    at: u8,
    /// Its own field; none for the answer.
    id: Option<Field>,
}

/// What is read next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The field at the row.
    Field,
    /// The bytes of the text at the row.
    Text,
    /// Bytes at the row, piece by piece.
    Bytes,
    /// Bytes of the row that nobody wants.
    Skip,
    /// The length of the array that was just opened.
    Count,
    /// How many tagged fields there are.
    Tags,
    /// A tagged field's number, if there is one more.
    Tag,
    /// A tagged field's size; the row that describes it, if there is one.
    TagSize(Option<u8>),
    /// What is left of a tagged field.
    TagRest,
    /// What follows the last field that is known.
    Rest,
    /// Nothing: the answer is none.
    Failed,
}

/// Decodes one answer, behind its correlation id.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The rows of the innermost frame.
    rows: &'static [Row],
    gather: Gather,
    frames: [Frame; DEPTH],
    api: ApiKey,
    version: i16,
    /// The innermost frame.
    depth: u8,
    flexible: bool,
    /// The tagged fields that come next are the answer's header's.
    header: bool,
    state: State,
}

impl Decoder {
    /// A decoder for an answer with `length` bytes behind the correlation id, to a request of this version.
    pub(crate) fn new(api: ApiKey, version: i16, length: u32) -> Self {
        let header = api.has_header_tags(version);
        Self {
            rows: api.answer(),
            gather: Gather::new(length),
            frames: [Frame { elements: 1, end: 0, tags: 0, at: 0, id: None }; DEPTH],
            api,
            version,
            depth: 0,
            flexible: api.is_flexible(version),
            header,
            state: if header { State::Tags } else { State::Field },
        }
    }

    /// Takes of the input what belongs to the answer, and tells the sink what was read.
    ///
    /// After an error, be it the sink's, every further push fails.
    pub(crate) fn push(
        &mut self,
        input: &mut &[u8],
        mut sink: impl FnMut(Item<'_>) -> Result<(), ProtocolError>,
    ) -> Result<Progress, ProtocolError> {
        let ours = input.len().min(self.gather.left() as usize);
        let (mut body, _) = input.split_at(ours);
        let stop = self.run(&mut body, &mut sink);
        *input = &input[ours - body.len()..];
        match stop {
            Ok(()) => Ok(Progress::Done),
            Err(Stop::More) => Ok(Progress::More),
            Err(Stop::Failed(error)) => {
                self.state = State::Failed;
                Err(error)
            }
        }
    }

    fn run(&mut self, input: &mut &[u8], sink: Sink<'_>) -> Result<(), Stop> {
        loop {
            match self.state {
                State::Field => {
                    // Most fields are followed by another: a third is saved by not choosing anew each time.
                    while matches!(self.state, State::Field) {
                        self.field(input, sink)?;
                    }
                }
                State::Text => self.text(input, sink)?,
                State::Bytes => self.bytes(input, sink)?,
                State::Skip => {
                    self.gather.skip(input)?;
                    self.next_row();
                }
                State::Count => self.count(input, sink)?,
                State::Tags => self.tags(input)?,
                State::Tag => self.tag(input, sink)?,
                State::TagSize(row) => self.tag_size(row, input, sink)?,
                State::TagRest => {
                    self.gather.skip(input)?;
                    self.state = State::Tag;
                }
                State::Rest => {
                    self.gather.announce(self.gather.left().into(), 0)?;
                    return self.gather.skip(input);
                }
                State::Failed => return Err(ProtocolError::Malformed.into()),
            }
        }
    }

    /// Reads the field at the row, or goes on where there is none.
    fn field(&mut self, input: &mut &[u8], sink: Sink<'_>) -> Result<(), Stop> {
        let Frame { at, end, .. } = *self.frame();
        let Some(row) = self.rows.get(usize::from(at)) else {
            if self.flexible {
                self.state = State::Tags;
                return Ok(());
            }
            return self.end_element(sink);
        };
        if row.tag.is_some() || !row.covers(self.version) {
            self.next_row();
            return Ok(());
        }
        let (id, value) = match row.op {
            Op::I16(id) => (id, Value::I16(i16::from_be_bytes(self.gather.fixed(input, end)?))),
            Op::I32(id) => (id, Value::I32(i32::from_be_bytes(self.gather.fixed(input, end)?))),
            Op::I64(id) => (id, Value::I64(i64::from_be_bytes(self.gather.fixed(input, end)?))),
            Op::Uuid(id) => (id, Value::Uuid(self.gather.fixed(input, end)?)),
            Op::Verdict(id) => return self.verdict(id, input, end, sink),
            Op::Name(id) | Op::Message(id) => match self.text_length(input, end)? {
                None => (id, Value::Text(None)),
                Some(length) => {
                    let too_long = length as usize > TEXT_BYTES_MAX;
                    if too_long && matches!(row.op, Op::Name(_)) {
                        return Err(ProtocolError::Malformed.into());
                    }
                    self.gather.announce(length.into(), end)?;
                    self.state = State::Text;
                    return Ok(());
                }
            },
            Op::Bytes(_) => {
                let length = self.array_length(input, end)?;
                self.gather.announce(length.into(), end)?;
                self.state = State::Bytes;
                return Ok(());
            }
            Op::Skip(bytes) => return self.skip(bytes.into(), end),
            Op::SkipText => {
                let length = self.text_length(input, end)?.unwrap_or(0);
                return self.skip(length.into(), end);
            }
            Op::SkipInts => {
                let elements = self.array_length(input, end)?;
                return self.skip(u64::from(elements) * 4, end);
            }
            Op::Array(..) | Op::Struct(..) => return self.open(row, end, sink),
        };
        sink(Item::Value(id, value))?;
        self.next_row();
        Ok(())
    }

    /// An error code that decides whether anything follows.
    fn verdict(&mut self, id: Field, input: &mut &[u8], end: u32, sink: Sink<'_>) -> Result<(), Stop> {
        let code = i16::from_be_bytes(self.gather.fixed(input, end)?);
        sink(Item::Value(id, Value::I16(code)))?;
        if code == 0 {
            self.next_row();
        } else {
            self.state = State::Rest;
        }
        Ok(())
    }

    /// The bytes of the text at the row.
    fn text(&mut self, input: &mut &[u8], sink: Sink<'_>) -> Result<(), Stop> {
        let at = usize::from(self.frame().at);
        let bytes = self.gather.text(input)?;
        match self.rows[at].op {
            Op::Name(id) => {
                let name = core::str::from_utf8(bytes).map_err(|_| ProtocolError::Malformed)?;
                sink(Item::Value(id, Value::Text(Some(name))))?;
            }
            Op::Message(id) => {
                let message = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
                sink(Item::Value(id, Value::Text(Some(message))))?;
            }
            _ => {}
        }
        self.next_row();
        Ok(())
    }

    /// Bytes at the row, as many as have come.
    fn bytes(&mut self, input: &mut &[u8], sink: Sink<'_>) -> Result<(), Stop> {
        let at = usize::from(self.frame().at);
        let piece = self.gather.piece(input);
        if let (Op::Bytes(id), false) = (self.rows[at].op, piece.is_empty()) {
            sink(Item::Value(id, Value::Bytes(piece)))?;
        }
        // Nothing is left of them: the next row. Something is: this ends the run.
        self.gather.skip(input)?;
        self.next_row();
        Ok(())
    }

    /// A text's length, `None` where it is null.
    fn text_length(&mut self, input: &mut &[u8], end: u32) -> Result<Option<u32>, Stop> {
        if self.flexible {
            return Ok(self.gather.uvarint(input, end)?.checked_sub(1));
        }
        match i16::from_be_bytes(self.gather.fixed(input, end)?) {
            -1 => Ok(None),
            length => Ok(Some(u32::try_from(length).map_err(|_| ProtocolError::Malformed)?)),
        }
    }

    /// How many elements an array has; a null one has none.
    fn array_length(&mut self, input: &mut &[u8], end: u32) -> Result<u32, Stop> {
        if self.flexible {
            return Ok(self.gather.uvarint(input, end)?.saturating_sub(1));
        }
        match i32::from_be_bytes(self.gather.fixed(input, end)?) {
            -1 => Ok(0),
            length => Ok(u32::try_from(length).map_err(|_| ProtocolError::Malformed)?),
        }
    }

    /// Passes over so many bytes at the row.
    fn skip(&mut self, bytes: u64, end: u32) -> Result<(), Stop> {
        self.gather.announce(bytes, end)?;
        self.state = State::Skip;
        Ok(())
    }

    /// Goes into an array or a structure, which ends at `end` at the latest.
    fn open(&mut self, row: &'static Row, end: u32, sink: Sink<'_>) -> Result<(), Stop> {
        let (Op::Array(id, rows) | Op::Struct(id, rows)) = row.op else {
            return Err(ProtocolError::Malformed.into());
        };
        self.rows = rows;
        self.depth += 1;
        *self.frame() = Frame { elements: 1, end, tags: 0, at: 0, id: Some(id) };
        if matches!(row.op, Op::Array(..)) {
            self.state = State::Count;
            return Ok(());
        }
        self.start(id, 1, sink)
    }

    /// The length of the array that was just opened.
    fn count(&mut self, input: &mut &[u8], sink: Sink<'_>) -> Result<(), Stop> {
        let Frame { end, id, .. } = *self.frame();
        let elements = self.array_length(input, end)?;
        // No element is smaller than a byte.
        self.gather.check(elements.into(), end)?;
        match id {
            Some(id) => self.start(id, elements, sink),
            None => Ok(()),
        }
    }

    /// Tells the first element, or that there is none.
    fn start(&mut self, id: Field, elements: u32, sink: Sink<'_>) -> Result<(), Stop> {
        self.frame().elements = elements;
        sink(Item::Start(id, elements))?;
        if elements == 0 {
            return self.close(id, sink);
        }
        self.state = State::Field;
        Ok(sink(Item::Next(id))?)
    }

    /// Ends an element, and with the last one the array.
    fn end_element(&mut self, sink: Sink<'_>) -> Result<(), Stop> {
        let frame = self.frame();
        let Some(id) = frame.id else {
            self.state = State::Rest;
            return Ok(());
        };
        frame.at = 0;
        frame.elements -= 1;
        let elements = frame.elements;
        sink(Item::EndOfElement(id))?;
        if elements == 0 {
            return self.close(id, sink);
        }
        self.state = State::Field;
        Ok(sink(Item::Next(id))?)
    }

    /// Leaves an array or a structure.
    fn close(&mut self, id: Field, sink: Sink<'_>) -> Result<(), Stop> {
        sink(Item::End(id))?;
        let end = self.frame().end;
        self.depth -= 1;
        let mut outer = self.api.answer();
        for frame in &self.frames[..usize::from(self.depth)] {
            outer = outer[usize::from(frame.at)].children();
        }
        self.rows = outer;
        if outer[usize::from(self.frame().at)].tag.is_none() {
            self.next_row();
            return Ok(());
        }
        // A later version may have put more into the tagged field.
        self.gather.announce(self.gather.left().saturating_sub(end).into(), 0)?;
        self.state = State::TagRest;
        Ok(())
    }

    /// How many tagged fields the element has.
    fn tags(&mut self, input: &mut &[u8]) -> Result<(), Stop> {
        let end = self.frame().end;
        let tags = self.gather.uvarint(input, end)?;
        self.frame().tags = u16::try_from(tags).map_err(|_| ProtocolError::Malformed)?;
        self.state = State::Tag;
        Ok(())
    }

    /// The number of the next tagged field. After the last one the element is complete, or the answer's header.
    fn tag(&mut self, input: &mut &[u8], sink: Sink<'_>) -> Result<(), Stop> {
        let Frame { tags, end, .. } = *self.frame();
        if tags > 0 {
            let tag = self.gather.uvarint(input, end)?;
            let known = |row: &Row| row.tag.is_some_and(|t| u32::from(t) == tag) && row.covers(self.version);
            let row = if self.header { None } else { self.rows.iter().position(known) };
            self.state = State::TagSize(row.map(|row| row as u8));
            return Ok(());
        }
        if self.header {
            self.header = false;
            self.state = State::Field;
            return Ok(());
        }
        self.end_element(sink)
    }

    /// The size of a tagged field: it is opened if its row is known, passed over otherwise.
    fn tag_size(&mut self, row: Option<u8>, input: &mut &[u8], sink: Sink<'_>) -> Result<(), Stop> {
        let end = self.frame().end;
        let size = self.gather.uvarint(input, end)?;
        self.gather.check(size.into(), end)?;
        self.frame().tags -= 1;
        if let Some(at) = row {
            self.frame().at = at;
            return self.open(&self.rows[usize::from(at)], self.gather.left() - size, sink);
        }
        self.gather.announce(size.into(), end)?;
        self.state = State::TagRest;
        Ok(())
    }

    /// Goes on to the next row.
    fn next_row(&mut self) {
        self.frame().at += 1;
        self.state = State::Field;
    }

    /// The innermost frame. The compiler has checked that the stack is as deep as every table.
    fn frame(&mut self) -> &mut Frame {
        &mut self.frames[usize::from(self.depth)]
    }
}

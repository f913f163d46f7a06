//! The frame around a request: its length, and what says which request it is.
//!
//! Request header version 1 for versions without tagged fields, 2 (the same and a section of tags) for those with. The
//! client id keeps its old form in both: a broker must be able to read the header of a version that it does not know.

use super::ApiKey;
use super::write::{Full, Writer};

/// The frame's length itself.
const LENGTH_BYTES: usize = 4;

/// What is at the beginning of every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    /// The version of the request and of its answer.
    pub(crate) version: i16,
    /// Comes back with the answer.
    pub(crate) correlation_id: i32,
    /// The client's name in the broker's log, metrics and quotas.
    pub(crate) client_id: &'a str,
}

impl Header<'_> {
    /// Writes the frame's length and the header.
    pub(super) fn write(&self, api: ApiKey, writer: &mut Writer<'_>, length: u32) {
        let flexible = api.is_flexible(self.version);
        writer.length(false, length);
        writer.i16(api.number());
        writer.i16(self.version);
        writer.i32(self.correlation_id);
        writer.text(false, self.client_id);
        writer.no_tags(flexible);
    }

    /// The bytes that [`write`](Self::write) writes, the frame's length included.
    pub(super) const fn len(&self, api: ApiKey) -> usize {
        LENGTH_BYTES + 2 + 2 + 4 + 2 + self.client_id.len() + api.is_flexible(self.version) as usize
    }

    /// Writes a whole frame whose length is only known at its end.
    pub(super) fn frame(
        &self,
        api: ApiKey,
        buf: &mut [u8],
        body: impl FnOnce(&mut Writer<'_>, bool),
    ) -> Result<usize, Full> {
        let mut writer = Writer::new(buf);
        self.write(api, &mut writer, 0);
        body(&mut writer, api.is_flexible(self.version));
        let length = i32::try_from(writer.len().saturating_sub(LENGTH_BYTES)).map_err(|_| Full)?;
        writer.patch_i32(0, length);
        writer.finish()
    }
}

/// The length that goes into a frame of so many bytes.
pub(super) const fn announced(frame: u32) -> u32 {
    frame.saturating_sub(LENGTH_BYTES as u32)
}

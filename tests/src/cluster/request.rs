//! From a frame to a reply: header, version, fault, the API's own handler.

use crate::protocol::{
    ApiKey, DecodeError, ErrorCode, Message, Reader, RequestHeader, decode_request, encode_response,
};

use super::{Action, Cluster, fault::Bend, sasl::Session};

/// What a broker does about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It answers.
    Response {
        /// The response as it goes over the wire, its length in front.
        frame: Vec<u8>,
        /// How much later than now; the connection's next request waits for it.
        delay_us: u64,
    },
    /// It does not answer, as for acks=0, and reads on.
    Nothing,
    /// It will never answer, neither this request nor a later one of the connection.
    Stall,
    /// It closes the connection.
    Close,
}

/// A handler's result; without one, the connection closes.
pub(super) type Response = Option<Reply>;

/// A request's surroundings.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) now_us: u64,
    pub(super) broker_id: i32,
    pub(super) header: RequestHeader<'a>,
    pub(super) bend: Bend,
}

impl Call<'_> {
    pub(super) fn now_ms(&self) -> i64 {
        (self.now_us / 1000) as i64
    }

    /// Answers in the version of the request.
    pub(super) fn respond<'m, M: Message<'m>>(&self, response: &M) -> Response {
        self.respond_as(self.header.api_version, response)
    }

    /// Answers in another version.
    pub(super) fn respond_as<'m, M: Message<'m>>(&self, version: i16, response: &M) -> Response {
        let frame = encode_response(self.header.correlation_id, version, response);
        Some(Reply::Response { frame, delay_us: 0 })
    }
}

impl Cluster {
    /// Gives a request to a broker. `frame` comes without its length; `now_us` is the broker's wall clock, in
    /// microseconds since 1970.
    ///
    /// What cannot be decoded, an API or a version that is not spoken, and a broker that is down close the connection.
    pub fn handle_request(&mut self, now_us: u64, broker_id: i32, frame: &[u8]) -> Reply {
        self.handle_request_of(&mut Session::default(), now_us, broker_id, frame)
    }

    /// The same, on a connection of whose user something is known.
    pub(crate) fn handle_request_of(
        &mut self,
        session: &mut Session,
        now_us: u64,
        broker_id: i32,
        frame: &[u8],
    ) -> Reply {
        if !self.is_up(broker_id) {
            return Reply::Close;
        }
        let Ok((header, body)) = decode_request(frame) else { return Reply::Close };
        self.requests.record(now_us, broker_id, &header, frame.len());
        if header.api_key == ApiKey::PRODUCE
            && let Ok(request) = body.clone().message(header.api_version)
        {
            self.requests.record_produce(&request);
        }
        if self.sasl.is_some() && !session.admits(header.api_key, now_us) {
            return Reply::Close;
        }
        let mut call = Call { now_us, broker_id, header, bend: Bend::No };
        if !self.versions.allow(header.api_key, header.api_version) {
            let answer_version = header.api_key == ApiKey::API_VERSIONS;
            let answer = || self.api_versions_error(&call, ErrorCode::UNSUPPORTED_VERSION);
            return answer_version.then(answer).flatten().unwrap_or(Reply::Close);
        }
        let action = self.faults.take(header.api_key, broker_id);
        match action {
            Some(Action::Drop) => return Reply::Stall,
            Some(Action::Close) => return Reply::Close,
            action => call.bend = action.into(),
        }
        let reply = self.dispatch(&call, session, body).ok().flatten().unwrap_or(Reply::Close);
        match (action, reply) {
            (Some(Action::ApplyThenDrop), _) => Reply::Stall,
            (Some(Action::ApplyThenClose), _) => Reply::Close,
            (Some(Action::Delay(delay_us)), Reply::Response { frame, .. }) => {
                Reply::Response { frame, delay_us }
            }
            (_, reply) => reply,
        }
    }

    fn dispatch(
        &mut self,
        call: &Call<'_>,
        session: &mut Session,
        mut body: Reader<'_>,
    ) -> Result<Response, DecodeError> {
        let version = call.header.api_version;
        Ok(match call.header.api_key {
            ApiKey::PRODUCE => self.produce(call, &body.message(version)?),
            ApiKey::FETCH => self.fetch(call, &body.message(version)?),
            ApiKey::LIST_OFFSETS => self.list_offsets(call, &body.message(version)?),
            ApiKey::METADATA => self.metadata(call, &body.message(version)?),
            ApiKey::API_VERSIONS => self.api_versions(call, &body.message(version)?),
            ApiKey::INIT_PRODUCER_ID => self.init_producer_id(call, &body.message(version)?),
            ApiKey::FIND_COORDINATOR => self.find_coordinator(call, &body.message(version)?),
            ApiKey::ADD_PARTITIONS_TO_TXN => self.add_partitions_to_txn(call, &body.message(version)?),
            ApiKey::ADD_OFFSETS_TO_TXN => self.add_offsets(call, &body.message(version)?),
            ApiKey::TXN_OFFSET_COMMIT => self.commit_offsets(call, &body.message(version)?),
            ApiKey::END_TXN => self.end_txn(call, &body.message(version)?),
            ApiKey::DESCRIBE_PRODUCERS => self.describe_producers(call, &body.message(version)?),
            ApiKey::SASL_HANDSHAKE => self.sasl_handshake(call, session, &body.message(version)?),
            ApiKey::SASL_AUTHENTICATE => self.sasl_authenticate(call, session, &body.message(version)?),
            _ => None,
        })
    }
}

//! InitProducerId: giving out producer ids.

use crate::protocol::{
    ErrorCode,
    init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::{
    Cluster,
    fault::Bend,
    request::{Call, Response},
};

impl Cluster {
    /// How many producer ids were given out.
    pub fn producer_ids_given(&self) -> i64 {
        self.producer_ids_given
    }

    pub(super) fn init_producer_id(
        &mut self,
        call: &Call<'_>,
        request: &InitProducerIdRequest<'_>,
    ) -> Response {
        if let Some(id) = request.transactional_id {
            let found = self.init_transactional(call, id, request);
            let found = call.bend.error_code().map_or(found, Err);
            let (producer_id, producer_epoch) = found.unwrap_or((-1, -1));
            let error_code = found.err().unwrap_or_default();
            let throttle_time_ms = self.throttle_time_ms;
            return call.respond(&InitProducerIdResponse {
                throttle_time_ms,
                error_code,
                producer_id,
                producer_epoch,
            });
        }
        let own_error = refuse_init(request);
        let may_apply = own_error == ErrorCode::NONE && !matches!(call.bend, Bend::Refuse(_));
        // Without transactions, every request gets a new id: also one that asks for the next epoch of an old id.
        let producer_id = self.config.first_producer_id + self.producer_ids_given;
        self.producer_ids_given += i64::from(may_apply);
        let error_code = call.bend.error_code().unwrap_or(own_error);
        let success = error_code == ErrorCode::NONE;
        call.respond(&InitProducerIdResponse {
            throttle_time_ms: self.throttle_time_ms,
            error_code,
            producer_id: if success { producer_id } else { -1 },
            producer_epoch: if success { 0 } else { -1 },
        })
    }
}

fn refuse_init(request: &InitProducerIdRequest<'_>) -> ErrorCode {
    let half_given = (request.producer_id == -1) != (request.producer_epoch == -1);
    if half_given { ErrorCode::INVALID_REQUEST } else { ErrorCode::NONE }
}

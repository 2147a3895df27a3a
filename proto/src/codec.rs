//! The gRPC codec of all services: protobuf, with a bound on what a write request becomes in memory.
//!
//! gRPC limits the bytes of a message, but an empty series of two bytes becomes a hundred in memory. The bytes are
//! therefore weighed before they are decoded. The other requests are small: their servers set a small limit instead.

use crate::ingest::write_request_weight;
use crate::v1;
use prost::Message;
use std::any::TypeId;
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstCodec;

/// Memory that the messages of one write request may take: twice what an honest one of 32 MiB needs.
pub const WRITE_REQUEST_BYTES: usize = 64 << 20;

/// Encodes `T` and decodes `U`.
#[derive(Debug)]
pub struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = BoundedDecoder<U, <ProstCodec<T, U> as Codec>::Decoder>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder { inner: ProstCodec::<T, U>::default().decoder(), message: PhantomData }
    }
}

/// Decodes `U` by `D` unless it is too heavy.
#[derive(Debug)]
pub struct BoundedDecoder<U, D> {
    inner: D,
    message: PhantomData<U>,
}

impl<U: 'static, D: Decoder<Item = U, Error = Status>> Decoder for BoundedDecoder<U, D> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        if TypeId::of::<U>() == TypeId::of::<v1::WriteRequest>() {
            check(prost::bytes::Buf::chunk(source))?;
        }
        self.inner.decode(source)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.inner.buffer_settings()
    }
}

fn check(message: &[u8]) -> Result<(), Status> {
    let weight = write_request_weight(message).map_err(|e| Status::invalid_argument(e.to_string()))?;
    if weight <= WRITE_REQUEST_BYTES {
        return Ok(());
    }
    Err(Status::out_of_range(format!(
        "the request takes {weight} bytes of memory, {WRITE_REQUEST_BYTES} are allowed; send smaller requests"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_request_passes_and_a_swarm_of_empty_series_does_not() {
        let label = |n: &str| v1::Label { name: n.into(), value: "x".repeat(40) };
        let series = v1::Series {
            labels: ["__name__", "job", "instance", "zone"].map(label).to_vec(),
            timestamps: (0..100).map(|i| 1_760_000_000_000 + i).collect(),
            values: vec![0.5; 100],
            histograms: vec![],
        };
        let honest = v1::WriteRequest { series: vec![series; 8000], metadata: vec![] }.encode_to_vec();
        assert!(honest.len() > 12 << 20, "{}", honest.len());
        assert!(check(&honest).is_ok(), "{:?}", write_request_weight(&honest));

        let swarm = [0x0a, 0].repeat(1 << 20);
        assert_eq!(check(&swarm).expect_err("too heavy").code(), tonic::Code::OutOfRange);
        let timestamps = v1::Series { timestamps: vec![0; 8 << 20], ..Default::default() };
        let swarm = v1::WriteRequest { series: vec![timestamps], metadata: vec![] }.encode_to_vec();
        assert_eq!(check(&swarm).expect_err("too heavy").code(), tonic::Code::OutOfRange);
        assert_eq!(check(&[0x0a, 9]).expect_err("cut").code(), tonic::Code::InvalidArgument);
    }
}

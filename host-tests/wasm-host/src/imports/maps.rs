//! Header maps.

use super::memory::{give, read_headers, read_text, write_u32};
use super::{Guest, Outcome};
use crate::Headers;
use crate::abi::{MapType, Status};
use crate::half::Half;
use crate::vm::VmState;

functions! {
    fn proxy_get_header_map_size(guest, map: u32, out: u32) {
        size(guest, map, out)
    }
    fn proxy_get_header_map_pairs(guest, map: u32, data: u32, size: u32) {
        pairs(guest, map, data, size)
    }
    fn proxy_get_header_map_value(guest, map: u32, key: u32, key_size: u32, data: u32, size: u32) {
        value(guest, map, (key, key_size), (data, size))
    }
    fn proxy_set_header_map_pairs(guest, map: u32, data: u32, size: u32) {
        let pairs = read_headers(guest, data, size)?;
        change(guest, map, |headers| *headers = pairs)
    }
    fn proxy_add_header_map_value(guest, map: u32, key: u32, key_size: u32, value: u32, value_size: u32) {
        entry(guest, map, (key, key_size), (value, value_size), Headers::add)
    }
    fn proxy_replace_header_map_value(guest, map: u32, key: u32, key_size: u32, value: u32, value_size: u32) {
        entry(guest, map, (key, key_size), (value, value_size), Headers::set)
    }
    fn proxy_remove_header_map_value(guest, map: u32, key: u32, key_size: u32) {
        let key = read_text(guest, key, key_size)?;
        change(guest, map, |headers| headers.remove(&key))
    }
}

fn size(guest: &mut Guest<'_>, map: u32, out: u32) -> Outcome {
    let map = MapType::from_abi(map).ok_or(Status::BadArgument)?;
    let bytes = guest.data_mut().readable(map).ok_or(Status::BadArgument)?.byte_size();
    write_u32(guest, out, u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// A map that is absent reads as an empty one.
fn pairs(guest: &mut Guest<'_>, map: u32, data_out: u32, size_out: u32) -> Outcome {
    let map = MapType::from_abi(map).ok_or(Status::BadArgument)?;
    let bytes = guest.data_mut().readable(map).map(|headers| headers.to_abi()).unwrap_or_default();
    give(guest, &bytes, data_out, size_out)
}

fn value(guest: &mut Guest<'_>, map: u32, key: (u32, u32), out: (u32, u32)) -> Outcome {
    let map = MapType::from_abi(map).ok_or(Status::BadArgument)?;
    let key = read_text(guest, key.0, key.1)?;
    let state = guest.data_mut();
    let in_log = state.acting_stream().is_some_and(|stream| stream.in_log);
    let absent = if in_log { Status::NotFound } else { Status::BadArgument };
    let headers = state.readable(map).ok_or(absent)?;
    let value = headers.get(&key).ok_or(Status::NotFound)?.to_owned();
    give(guest, value.as_bytes(), out.0, out.1)
}

fn entry(
    guest: &mut Guest<'_>,
    map: u32,
    key: (u32, u32),
    value: (u32, u32),
    apply: fn(&mut Headers, &str, &str),
) -> Outcome {
    let key = read_text(guest, key.0, key.1)?;
    let value = read_text(guest, value.0, value.1)?;
    change(guest, map, |headers| apply(headers, &key, &value))
}

fn change(guest: &mut Guest<'_>, map: u32, apply: impl FnOnce(&mut Headers)) -> Outcome {
    let map = MapType::from_abi(map).ok_or(Status::BadArgument)?;
    apply(guest.data_mut().writable(map).ok_or(Status::BadArgument)?);
    Ok(())
}

// === impl VmState ===

impl VmState {
    /// A map that the guest may read now. While it logs a stream, that stream's headers are there once more.
    fn readable(&mut self, map: MapType) -> Option<&Headers> {
        match map {
            MapType::CallHeaders => Some(&self.acting_root()?.reply.as_ref()?.headers),
            MapType::CallTrailers => Some(&self.acting_root()?.reply.as_ref()?.trailers),
            MapType::Headers(direction) => {
                let stream = self.acting_stream()?;
                let logged = stream.in_log;
                let half = stream.half(direction);
                (half.headers_visible || logged && half.begun).then_some(&half.headers)
            }
            MapType::Trailers(_) | MapType::Grpc => self.writable(map).map(|headers| &*headers),
        }
    }

    /// A map that the guest may change now: only of a frame that has not gone on.
    fn writable(&mut self, map: MapType) -> Option<&mut Headers> {
        match map {
            MapType::Headers(direction) => {
                let half: &mut Half = self.acting_stream()?.half(direction);
                half.headers_visible.then_some(&mut half.headers)
            }
            MapType::Trailers(direction) => {
                let half = self.acting_stream()?.half(direction);
                half.trailers.as_mut().filter(|_| half.trailers_visible)
            }
            MapType::CallHeaders | MapType::CallTrailers | MapType::Grpc => None,
        }
    }
}

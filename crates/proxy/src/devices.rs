//! How many connections each device has open, so that one device cannot take what the others need.
//! A device is an address here: what else tells devices apart is not known before the first byte.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The devices with connections, and how many each has. There are never more entries than
/// connections, which are bounded.
#[derive(Clone, Debug)]
pub(crate) struct Devices {
    most_each: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    devices: Devices,
    device: IpAddr,
}

impl Devices {
    pub(crate) fn new(most_each: usize) -> Self {
        Self { most_each, open: Arc::default() }
    }

    /// A place for one more connection of the device; `None` when it has as many as it may have.
    pub(crate) fn admit(&self, device: IpAddr) -> Option<Place> {
        let mut open = self.open();
        let count = open.entry(device).or_default();
        if *count >= self.most_each {
            return None;
        }
        *count += 1;
        Some(Place { devices: self.clone(), device })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.devices.open();
        if let Some(count) = open.get_mut(&self.device) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_its_places_and_no_more_and_others_have_theirs() {
        let devices = Devices::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let first = devices.admit(one);
        let second = devices.admit(one);
        assert!(first.is_some() && second.is_some());
        assert!(devices.admit(one).is_none());
        assert!(devices.admit(other).is_some());
        drop(first);
        assert!(devices.admit(one).is_some(), "a place that was given back is free");
        drop(second);
        assert!(devices.open().is_empty(), "a device without connections takes no memory");
    }
}

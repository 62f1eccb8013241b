//! How threads tell what they found: a queue with a bell.
//!
//! `std::sync::mpsc` does the same, and is 15 KB of the binary.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Every clone of it is the same mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox<T>(Arc<(Mutex<VecDeque<T>>, Condvar)>);

impl<T> Mailbox<T> {
    pub fn new() -> Self {
        Self(Arc::new((Mutex::new(VecDeque::new()), Condvar::new())))
    }

    pub fn post(&self, news: T) {
        let (queue, bell) = &*self.0;
        queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(news);
        bell.notify_one();
    }

    /// The next piece, if one comes until then; one that is there already is taken even later.
    pub fn take(&self, until: Instant) -> Option<T> {
        let (queue, bell) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(news) = queue.pop_front() {
                return Some(news);
            }
            let left =
                until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            queue = bell.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn what_is_posted_is_taken_in_order() {
        let mailbox = Mailbox::new();
        let posting = mailbox.clone();
        thread::spawn(move || (1..=3).for_each(|news| posting.post(news)));
        let soon = Instant::now() + Duration::from_secs(30);
        assert_eq!([(); 3].map(|()| mailbox.take(soon)), [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn after_the_deadline_only_what_is_there_is_taken() {
        let mailbox = Mailbox::new();
        mailbox.post(1);
        assert_eq!(mailbox.take(Instant::now()), Some(1));
        assert_eq!(mailbox.take(Instant::now()), None);
    }
}

//! A sign that nobody wants an answer any more.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Ends work that goes on; clones are the same sign.
#[derive(Clone, Default)]
pub struct Stop(Arc<Sign>);

#[derive(Default)]
struct Sign {
    is_given: AtomicBool,
    hooks: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Stop {
    /// Gives the sign, once and for all.
    pub fn stop(&self) {
        self.0.is_given.store(true, Ordering::SeqCst);
        for hook in self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            hook();
        }
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        self.0.is_given.load(Ordering::SeqCst)
    }

    /// Calls `hook` when the sign is given, at once if it was.
    pub(crate) fn then(&self, hook: impl Fn() + Send + 'static) {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
        if self.is_given() {
            self.stop();
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stop({})", self.is_given())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_called_once_before_and_after_the_sign() {
        let (stop, calls) = (Stop::default(), Arc::new(Mutex::new(0)));
        let counting = |calls: &Arc<Mutex<i32>>| {
            let calls = Arc::clone(calls);
            move || *calls.lock().expect("a count") += 1
        };
        stop.then(counting(&calls));
        assert!(!stop.is_given());
        stop.clone().stop();
        stop.stop();
        assert_eq!(*calls.lock().expect("a count"), 1);
        stop.then(counting(&calls));
        assert_eq!(*calls.lock().expect("a count"), 2);
    }
}

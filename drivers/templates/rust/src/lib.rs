//! my-driver: a driver of image-cache that evicts the least frequently read images first.

use image_cache_driver_sdk::prelude::*;

/// The state of an instance in memory: only values that the next instance can restore.
struct LeastOftenRead {
    records: SqlRecords,
    /// The option `largest`: larger images are not cached.
    largest: u64,
}

impl SqlDriver for LeastOftenRead {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let largest = options.take_parsed("largest", "a number of bytes")?;
        options.finish()?;
        Ok(LeastOftenRead {
            records: SqlRecords::open()?,
            largest: largest.unwrap_or(u64::MAX),
        })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        self.records
            .victims(request, "hits, last_accessed, image_id")
    }
}

impl AdmissionPolicy for LeastOftenRead {
    /// If the size is not known yet, the host asks again when it is.
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        let largest = self.largest;
        Ok(match request.size {
            Some(size) if size > largest => Decision::Refuse(format!(
                "it has {size} bytes, and the option largest is {largest}"
            )),
            _ => Decision::Admit,
        })
    }
}

export_driver!(LeastOftenRead, admission);

#[cfg(test)]
mod tests {
    use super::*;
    use image_cache_driver_sdk::testing::TestHost;

    #[test]
    fn only_images_known_to_be_too_large_are_refused() {
        let mut host = TestHost::<LeastOftenRead>::start(&[("largest", "10")]).expect("it starts");
        let client = || Requester {
            kind: RequestKind::Client,
            tenant: None,
        };
        assert_eq!(host.admit("a", Some(10), client()), Ok(Decision::Admit));
        assert_eq!(host.admit("a", None, client()), Ok(Decision::Admit));
        let refused = host.admit("a", Some(11), client());
        assert!(matches!(refused, Ok(Decision::Refuse(_))), "{refused:?}");
    }

    #[test]
    fn the_least_frequently_read_image_is_evicted_first() {
        let mut host = TestHost::<LeastOftenRead>::start(&[]).expect("it starts");
        for image in ["twice", "once", "never"] {
            host.cache(image, 10).expect("it is recorded");
        }
        for image in ["twice", "once", "twice"] {
            host.hit(image).expect("it is counted");
        }
        host.restart().expect("the records are in the database");
        assert_eq!(
            host.victims(21),
            Ok(vec!["never".into(), "once".into(), "twice".into()])
        );
        assert_eq!(host.evict(10), Ok(vec!["never".into()]));
        assert_eq!(host.evict(1), Ok(vec!["once".into()]));
    }
}

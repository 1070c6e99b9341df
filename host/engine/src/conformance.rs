//! The conformance suite: what every driver must do, as named cases that run against any component.
//!
//! It is part of the host and not of a test package, because the command line checks an author's
//! driver with the same cases as the built-in drivers, and cargo forbids cyclic dependencies between
//! packages. No case knows a policy: [`CASES`] apply to every driver, [`LRU_CASES`] to those
//! that, like the built-in ones, evict the least recently accessed image first.
//!
//! A case is a function whose name is a sentence. Each gets a [`Fixture`]: its own cache directory with
//! the driver loaded on it. The tables come from lists that other code can also iterate
//! ([`for_each_conformance_case!`](crate::for_each_conformance_case)), so that no case is forgotten.

mod admission;
mod calls;
mod capacity;
mod describing;
mod events;
mod failure;
mod fixture;
mod forgetting;
mod hits;
mod ids;
mod images;
mod leftovers;
mod lru;
mod paging;
mod records;
mod restarting;
mod sequences;
mod sharing;
mod timing;
mod totals;
mod transactions;
mod victims;

pub use failure::{Failure, Verdict};
pub use fixture::{Fixture, load, loads};
pub use timing::{CallTimes, Measured};

use image_cache_model::Config;
use std::path::Path;
use std::time::{Duration, Instant};
use timing::Recorder;

/// One thing that a driver must do.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// The requirement as a sentence, its words joined by `_`.
    pub name: &'static str,
    check: fn(Fixture) -> Verdict,
}

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseResult {
    /// The case's name.
    pub name: &'static str,
    /// Whether the driver meets the requirement; an error also if the case could not be set up.
    pub outcome: Verdict,
    /// How long it took, including loading the driver.
    pub time: Duration,
    /// The driver's calls, and how close it came to its limits.
    pub measured: Measured,
}

impl Case {
    /// The name in words.
    ///
    /// ```
    /// let case = &image_cache_engine::conformance::CASES[0];
    /// assert!(!case.sentence().contains('_'));
    /// ```
    pub fn sentence(&self) -> String {
        self.name.replace('_', " ")
    }

    /// Runs the case against the driver of `config`, in a new directory under `scratch` that is removed
    /// afterwards. `config.dir` and the database's name are not used, and nothing else is changed.
    /// Random sequences have the seed 0.
    pub fn run(&self, config: &Config, scratch: &Path) -> CaseResult {
        self.run_with_seed(config, scratch, 0)
    }

    /// As [`run`](Self::run), with another seed for the random sequences of calls: the same seed makes the same calls. The other
    /// cases make the same calls with every seed.
    pub fn run_with_seed(&self, config: &Config, scratch: &Path, seed: u64) -> CaseResult {
        let start = Instant::now();
        let recorder = Recorder::default();
        let outcome = fixture::in_new_directory(scratch, |directory| {
            (self.check)(Fixture::new(config, directory, recorder.clone(), seed)?)
        });
        let (time, measured) = (start.elapsed(), recorder.into_measured());
        CaseResult { name: self.name, outcome, time, measured }
    }
}

/// Runs every case of [`CASES`] against the driver of `config`, each in its own directory under
/// `scratch`, which must exist. Never panics, whatever the driver does.
///
/// ```
/// use image_cache_engine::conformance;
/// use image_cache_model::Config;
/// # let place = tempfile::tempdir()?;
/// # let scratch = place.path();
/// let config = Config::builder(scratch).driver("sqlite").build()?;
/// for result in conformance::run(&config, scratch) {
///     assert_eq!(result.outcome, Ok(()), "{}", result.name);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run(config: &Config, scratch: &Path) -> Vec<CaseResult> {
    CASES.iter().map(|case| case.run(config, scratch)).collect()
}

/// Passes the names of all cases in [`CASES`](crate::conformance::CASES) to a macro, in groups:
/// `callback! { arguments… group: case case …; … }`.
///
/// ```
/// macro_rules! count {
///     ($start:literal; $($group:ident: $($case:ident)+;)+) => { $start $($( + { let _ = stringify!($case); 1 })+)+ };
/// }
/// let cases: usize = image_cache_engine::for_each_conformance_case!(count 0;);
/// assert_eq!(cases, image_cache_engine::conformance::CASES.len());
/// ```
#[macro_export]
macro_rules! for_each_conformance_case {
    ($callback:ident $($arguments:tt)*) => {
        $callback! { $($arguments)*
            describing:
                a_driver_has_a_name_and_a_version
                an_unknown_option_is_refused;
            records:
                empty_records_hold_nothing
                an_unknown_image_has_no_record
                a_record_is_found_as_it_was_written
                a_record_is_listed_as_it_is_found
                a_record_may_come_with_hits
                a_record_replaces_the_one_before
                hits_are_replaced_with_the_record
                a_record_written_twice_is_one_record
                times_are_exact_to_the_microsecond
                every_kind_of_checksum_is_kept
                a_record_without_a_checksum_has_none
                a_checksum_is_replaced_by_none_and_by_another
                a_record_of_a_file_that_is_not_published_yet_is_found_afterwards
                a_publication_that_failed_can_be_forgotten;
            totals:
                images_and_bytes_are_summed
                list_and_sums_agree
                a_replaced_record_is_counted_once
                an_image_of_no_bytes_is_an_image
                sizes_up_to_2_to_the_53_are_exact;
            hits:
                a_hit_counts_and_moves_the_last_access
                hits_add_up_over_calls
                a_batch_counts_every_image_of_it
                two_hits_of_one_image_in_a_batch_count_twice
                a_hit_leaves_all_else_in_the_record_alone
                a_hit_leaves_other_images_alone
                a_hit_of_an_unknown_image_is_passed_over
                unknown_images_in_a_batch_do_not_stop_the_others
                a_batch_of_no_hits_changes_nothing
                a_late_hit_counts_but_never_turns_the_last_access_back
                hits_go_on_from_what_a_record_came_with
                a_thousand_hits_fit_in_one_batch;
            forgetting:
                a_forgotten_image_is_gone
                forgetting_leaves_the_others_alone
                unknown_images_are_passed_over_when_others_are_forgotten
                forgetting_nothing_or_twice_changes_nothing
                many_images_are_forgotten_at_once
                a_hit_brings_no_forgotten_image_back
                an_image_recorded_after_it_was_forgotten_starts_anew;
            paging:
                pages_ascend_by_the_bytes_of_the_ids
                a_page_starts_behind_the_id_given
                a_page_may_start_behind_an_id_that_is_not_in_the_records
                pages_of_one_lead_through_the_records
                a_page_holds_no_more_than_its_limit
                a_limit_may_be_larger_than_the_records
                an_empty_page_ends_the_list
                two_lists_in_progress_do_not_disturb_each_other
                a_list_goes_on_where_its_last_image_was_forgotten
                more_than_a_thousand_records_are_listed_in_pages;
            ids:
                ids_of_all_scripts_are_kept_apart
                ids_of_one_and_of_255_bytes_are_kept
                ids_with_spaces_and_quotes_are_kept
                ids_that_look_like_sql_are_only_ids
                ids_with_wildcards_mean_only_themselves
                letter_case_tells_ids_apart
                ids_that_differ_in_their_last_byte_are_kept_apart
                ids_that_look_like_numbers_stay_text;
            victims:
                empty_records_have_no_victims
                a_question_for_no_bytes_is_answered
                victims_are_cached_images_each_named_once
                victims_have_the_sizes_of_their_records
                excluded_images_are_never_victims
                pinned_images_are_never_victims
                an_unknown_image_may_be_excluded
                there_are_no_more_victims_than_the_limit
                the_largest_limit_allows_every_victim
                victims_cover_the_bytes_needed
                no_more_victims_are_named_than_are_needed
                what_was_used_just_now_goes_only_where_bytes_are_needed
                a_need_beyond_all_bytes_names_every_image
                asked_again_and_again_the_cache_is_emptied
                a_forgotten_image_is_no_victim
                naming_victims_changes_no_record;
            capacity:
                victims_are_named_for_every_limit
                victims_are_named_when_the_host_counted_otherwise
                records_stay_when_the_limits_change;
            leftovers:
                no_leftovers_are_answered_with_none
                leftovers_to_remove_are_among_those_offered
                leftovers_of_one_image_in_both_states_are_told_apart
                a_page_of_a_thousand_leftovers_is_answered;
            admission:
                admission_is_answered_for_an_unknown_size
                admission_is_answered_for_every_size
                admission_is_answered_for_an_image_in_the_records
                asking_for_admission_changes_nothing
                admission_is_answered_for_every_kind_of_request
                a_second_question_with_the_size_is_answered;
            events:
                events_change_no_record
                events_of_unknown_images_are_accepted
                a_thousand_events_fit_in_one_call
                events_of_any_size_and_time_are_accepted
                a_tick_changes_no_record
                metrics_stay_within_their_limits;
            restarting:
                a_restart_keeps_every_record
                hits_survive_a_restart
                what_was_forgotten_stays_forgotten_after_a_restart
                empty_records_can_be_opened_again;
            sequences:
                a_random_sequence_of_calls_leaves_the_records_of_a_model;
            sharing:
                two_instances_see_each_others_records
                two_instances_see_each_others_hits
                two_instances_see_what_the_other_forgot
                an_instance_sees_what_another_replaced
                hits_of_two_instances_at_the_same_time_all_count;
            transactions:
                what_two_instances_cache_at_the_same_time_is_complete
                two_instances_forget_at_the_same_time_and_lose_no_other_image;
        }
    };
}

/// The same for [`LRU_CASES`](crate::conformance::LRU_CASES).
#[macro_export]
macro_rules! for_each_lru_case {
    ($callback:ident $($arguments:tt)*) => {
        $callback! { $($arguments)*
            lru:
                the_least_recently_accessed_image_goes_first
                a_hit_makes_an_image_the_last_to_go
                a_late_hit_makes_no_image_younger_than_it_is
                no_more_images_go_than_are_needed
                one_byte_more_takes_the_next_image
                where_no_bytes_are_needed_nothing_goes
                images_accessed_at_the_same_time_go_by_their_ids
                the_next_oldest_takes_the_place_of_an_excluded_image
                a_limit_keeps_the_oldest
                the_order_holds_over_many_images
                the_order_survives_a_restart
                every_invalid_leftover_goes
                an_incomplete_leftover_goes_when_it_has_stalled;
        }
    };
}

macro_rules! table {
    ($($group:ident: $($case:ident)+;)+) => {
        &[$($(Case { name: stringify!($case), check: $group::$case }),+),+]
    };
}

/// What every driver must do.
pub const CASES: &[Case] = for_each_conformance_case!(table);

/// What a driver must do that evicts the least recently accessed image first, like the built-in ones. Admission is its own choice.
pub const LRU_CASES: &[Case] = for_each_lru_case!(table);

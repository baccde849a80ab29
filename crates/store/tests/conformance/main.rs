//! One suite for every engine: what a store promises, whatever is behind it.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod scans;

macro_rules! suite {
    ($($module:ident::$test:ident)+) => {
        #[cfg(test)]
        mod on_memory {
            $(#[test] fn $test() { crate::$module::$test(crate::bench::memory()); })+
        }
        #[cfg(test)]
        mod on_file {
            $(#[test] fn $test() { crate::$module::$test(crate::bench::file()); })+
        }
    };
}

suite! {
    isolation::counters_lose_nothing
    isolation::write_skew_is_refused
    isolation::phantoms_are_refused
    isolation::a_phantom_in_an_unread_part_is_none
    isolation::what_is_depended_on_counts_as_read
    isolation::snapshots_stay
    isolation::an_error_writes_nothing
    isolation::a_part_that_is_undone_writes_nothing
    isolation::a_run_without_writes_is_no_commit
    isolation::a_transaction_sees_its_own_writes
    isolation::revisions_tell_what_was_touched
    isolation::the_feed_tells_the_newest_revision
    isolation::clear_empties_all_but_the_kept
    isolation::a_read_only_transaction_reads_as_others_do
    isolation::an_everlasting_conflict_is_settled
    isolation::a_closed_store_says_so
    scans::order_limits_and_both_directions
    scans::random_histories_match_a_map
    scans::typed_scans_page_through
}

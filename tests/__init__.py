"""The tests of vod_widget; a package so that `tests.helpers` has one name everywhere."""

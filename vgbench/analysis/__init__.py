"""Analysis of trained models and of records: diagnosis, ladder, replay, rescore."""

-- From here on every change of a vector is marked, whatever makes it. Waits for the transactions that write now, and for no
-- reader. Three triggers, because one of several events gets no rows.
CREATE OR REPLACE TRIGGER online_written AFTER INSERT ON online_features
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_online_changes();
CREATE OR REPLACE TRIGGER online_rewritten AFTER UPDATE ON online_features
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_online_changes();
CREATE OR REPLACE TRIGGER online_erased AFTER DELETE ON online_features
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_online_changes();

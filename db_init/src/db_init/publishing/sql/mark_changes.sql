-- Mark every change of a vector from now on. Waits for transactions that write, not for readers. There are three triggers,
-- because a trigger for several events cannot have transition tables.
CREATE OR REPLACE TRIGGER online_written AFTER INSERT ON online_features
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_online_changes();
CREATE OR REPLACE TRIGGER online_rewritten AFTER UPDATE ON online_features
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_online_changes();
CREATE OR REPLACE TRIGGER online_erased AFTER DELETE ON online_features
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_online_changes();

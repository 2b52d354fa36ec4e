package hero.supervisor;

/**
 * What became of one job of many: it was accepted or refused.
 *
 * @param handle the handle of the job; null when it was refused
 * @param error why it was refused; null when it was accepted
 */
public record SubmitResult(JobHandle handle, SupervisorException error) {
    /**
     * The handle of the job.
     *
     * @throws SupervisorException when it was refused
     */
    public JobHandle orThrow() {
        if (error != null) {
            throw error;
        }
        return handle;
    }
}

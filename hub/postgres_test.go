package hub_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// engineVariable has benches keep their journal in PostgreSQL where it is set.
const engineVariable = "CROSSDOCK_TEST_JOURNAL_IN_POSTGRES"

// TestTheHubDoesTheSameInPostgres runs the tests that read from the journal
// what they have made it keep once more, over PostgreSQL.
func TestTheHubDoesTheSameInPostgres(t *testing.T) {
	t.Setenv(engineVariable, "1")
	for _, test := range []func(*testing.T){
		TestAFailedCheckHoldsTheRunBeforeAnythingIsWritten,
		TestAnEditedRowIsReplayedAsEdited, TestEditsThatCannotBeDone, TestADiscardNeedsAReason,
		TestExportCSVHasTheLayoutOfTheFileAndNoFormula, TestExportCSVRefusesToMixLayouts, TestAnUncutRowStandsInTheLayoutOfItsFile,
		TestMinRowsIsAShareOfTheMedianOfTheRunsBefore, TestAnApprovedRunWhoseProcessEndedWaitsForTheNext,
		TestRunAccountsForEveryRow, TestTheSourceIsAcknowledgedWhenServiceAndJournalHaveTheRows, TestDryRunWritesNothing,
		TestStopAboveDecidesBeforeTheTargetIsTouched, TestAFailureOfTheSourceLeavesWhatIsDoneAndAccountedFor,
		TestAnInterruptedRunFinishesItsBatchAndTheNextDoublesNothing, TestWhatALaterFileDeliversIsClosedAndWhatItLacksStays,
		TestAPipelineThatMovesIsNoted, TestReplayAfterTheMappingWasMended, TestReplayNamesWhatItCannotReplay,
		TestSensitiveCellsAreNotKept, TestAMaskedCellIsEnteredAnew, TestCardsInFreeTextAreNotKept, TestWhatIsOldIsForgottenAtTheEndOfARun,
		TestRunsAreScoredAndCompared, TestAStoppedRunHasAScore, TestARunThatFailsHasNoScore,
		TestReplayKeepsBackDuplicatesOfTheKeyAlone, TestADuplicateIsStillOneWhenItsKeyWasUnreadableMeanwhile,
		TestOfRowsWithOneKeyTheNewestRunsIsReplayed, TestRowsWithoutAKeyOfTheirOwnRunsDoNotSupersedeEachOther,
		TestARowThatIsClosedDuringTheReplayIsNotApplied, TestReplaySupersedesWhatTheFilterNowPassesOver,
		TestAnUncutRowStaysAsItIs,
		TestAnUploadIsRunUnderTheNameItsSenderGave, TestAnUploadOutlivesTheProcessThatAcceptedIt, TestFindSuggestsTheNearestPipeline,
		TestWhatWaitedInVainIsAnErrorAtItsDeadline, TestTheWorkerReplaysWhatWaitsWhoeverHasBroughtWhatItWaitedFor,
		TestARowThatLacksSomethingElseGoesOnWaitingUntilTheSameDeadline, TestWhatArrivedWhileItsPipelineWasBusyIsReplayedLater,
		TestMoreRowsWaitThanAPageHolds,
	} {
		name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
		t.Run(strings.TrimPrefix(name, "crossdock/hub_test."), test)
	}
}

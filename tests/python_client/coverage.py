"""Which calls of the service the Python client has, and which it leaves to others by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zerosum.client import AsyncClient, Client
from zerosum.client.calls import Calls, Listing, Method, Route

NOT_COVERED = {
    "Account groups": "putAccountGroup deleteAccountGroup getAccountGroup listAccountGroups getAccountGroupBalances",
    "Accounts": "getStatement",
    "Administration": "createLedger listLedgers changeLedger defineCurrency listCurrencies getChart putChart "
    "putHouseRules getHouseRules createApiKey listApiKeys revokeApiKey listConsoleSessions endConsoleSession "
    "endConsoleSessions listAuditLog readAuditFeed",
    "Clients": "createTransaction createTransactions getTransaction listClients getClient listClientTransactions",
    "Dead letters": "listDeadLetters getDeadLetter replayDeadLetter dropDeadLetter",
    "Holds": "resolveHolds",
    "Imports": "beginImport",
    "Journal": "exportJournal",
    "Notifications": "createNotification listNotifications getNotification changeNotification deleteNotification "
    "testNotification listNotificationMails",
    "Periods": "closePeriod listPeriods getPeriod listPeriodBalances listLateEntries",
    "Processors": "listProcessorCalls getProcessorCall settleProcessorCall takeProcessorCallback getRoutes putRoutes "
    "listRoutesVersions",
    "Proof": "listCheckpoints getCheckpoint listCheckpointKeys proveConsistency getPaymentReceipt getEntryReceipt",
    "Reconciliation": "createReconciliationSource listReconciliationSources getReconciliationSource "
    "sendReconciliationFile listReconciliationFiles getReconciliationFile listReconciliationBreaks "
    "getReconciliationBreak assignReconciliationBreak noteReconciliationBreak explainReconciliationBreak "
    "resolveReconciliationBreak adjustReconciliationBreak getReconciliationReport",
    "Reports": "checkIntegrity getAccountTree getBalanceSheet getIncomeStatement getCashMovements getStatus",
    "Service": "getHealth getReadiness getPublicKeys getMetrics getService",
    "Statements": "issueStatement listStatements getIssuedStatement",
    "Subjects": "getPaymentPersonal getEntryPersonal getSubject eraseSubject",
    "Webhooks": "createWebhookEndpoint listWebhookEndpoints getWebhookEndpoint changeWebhookEndpoint "
    "deleteWebhookEndpoint rotateWebhookSecret enableWebhookEndpoint disableWebhookEndpoint pingWebhookEndpoint "
    "listWebhookDeliveries replayWebhookDelivery replayWebhookEvents",
}
"""By the section of the manual they stand in."""

BY_OTHER_MEANS = {"issueToken": "ClientCredentials get and renew tokens"}


def routes() -> Iterator[tuple[str, Route[Any]]]:
    """Of all resources of a client, with where each is found."""
    with Client("http://localhost", "zsk_x") as client:
        for name, calls in vars(client).items():
            if isinstance(calls, Calls):
                for method, declared in vars(type(calls)).items():
                    if isinstance(declared, Method | Listing):
                        yield f"{name}.{method}", declared.route


def resources(client: Client | AsyncClient) -> set[str]:
    return {name for name, value in vars(client).items() if isinstance(value, Calls)}
